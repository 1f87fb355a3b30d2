//! Addresses of Redis servers, with the certificates that they name.

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult};

use super::take_parameter;

/// Certificates, where the URL names any.
#[cfg(feature = "tls-rustls")]
pub(crate) type Certificates = redis::TlsCertificates;

/// Without TLS there are none.
#[cfg(not(feature = "tls-rustls"))]
pub(crate) type Certificates = std::convert::Infallible;

/// What a URL says, with the certificates that `ssl-ca`, `ssl-cert` and `ssl-key` name: paths of files in PEM.
pub(crate) fn info_of(url: &str) -> RedisResult<(ConnectionInfo, Option<Certificates>)> {
    let (url, root) = take_parameter(url, "ssl-ca");
    let (url_without, certificate) = take_parameter(&url, "ssl-cert");
    let (plain, key) = take_parameter(&url_without, "ssl-key");
    let info = (*plain).into_connection_info()?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        prepare_tls();
    }
    Ok((info, certificates(root, certificate, key)?))
}

/// A client for what [`info_of`] has said.
pub(crate) fn client_of(info: ConnectionInfo, certificates: Option<Certificates>) -> RedisResult<Client> {
    match certificates {
        None => Client::open(info),
        #[cfg(feature = "tls-rustls")]
        Some(certificates) => Client::build_with_tls(info, certificates),
        #[cfg(not(feature = "tls-rustls"))]
        Some(never) => match never {},
    }
}

#[cfg(feature = "tls-rustls")]
fn certificates(root: Option<&str>, certificate: Option<&str>, key: Option<&str>) -> RedisResult<Option<Certificates>> {
    if root.is_none() && certificate.is_none() && key.is_none() {
        return Ok(None);
    }
    let root_cert = root.map(std::fs::read).transpose()?;
    let client_tls = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(redis::ClientTlsConfig { client_cert: std::fs::read(certificate)?, client_key: std::fs::read(key)? })
        }
        _ => return Err((redis::ErrorKind::InvalidClientConfig, "ssl-cert and ssl-key go together").into()),
    };
    Ok(Some(redis::TlsCertificates { client_tls, root_cert }))
}

#[cfg(not(feature = "tls-rustls"))]
fn certificates(root: Option<&str>, certificate: Option<&str>, key: Option<&str>) -> RedisResult<Option<Certificates>> {
    match (root, certificate, key) {
        (None, None, None) => Ok(None),
        _ => Err((redis::ErrorKind::InvalidClientConfig, "built without the feature `tls-rustls`").into()),
    }
}

/// rustls asks for one provider of cryptography. Where the application has built it with several and has chosen none,
/// it would panic.
#[cfg(feature = "tls-rustls")]
fn prepare_tls() {
    use rustls::crypto::{CryptoProvider, aws_lc_rs};

    if CryptoProvider::get_default().is_none() {
        // An error is that somebody else has chosen one meanwhile.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}

#[cfg(not(feature = "tls-rustls"))]
fn prepare_tls() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_url_is_what_is_left() -> RedisResult<()> {
        let (info, certificates) = info_of("redis://ann:secret@[::1]:7000/2?protocol=resp3")?;
        assert!(matches!(info.addr(), ConnectionAddr::Tcp(host, 7_000) if host == "::1"));
        assert_eq!(info.redis_settings().db(), 2);
        assert!(certificates.is_none());
        Ok(())
    }

    #[cfg(feature = "tls-rustls")]
    #[test]
    fn certificates_are_read_or_missed() -> RedisResult<()> {
        for url in ["rediss://a/?ssl-ca=/nonexistent", "rediss://a/?ssl-cert=/nonexistent", "rediss://a/?ssl-key=x"] {
            assert!(info_of(url).is_err(), "{url}");
        }
        Ok(())
    }
}
