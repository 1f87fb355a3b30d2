//! A minimal HTTP client: one connection, one request at a time.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time,
};

pub struct Client {
    stream: BufReader<TcpStream>,
}

pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Client {
    pub async fn connect(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Calls again while the server is busy.
    pub async fn settled(&mut self, method: &str, path: &str, token: &str) -> io::Result<Answer> {
        loop {
            let answer = self.call(method, path, token).await?;
            if answer.status != 503 {
                return Ok(answer);
            }
            time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn call(&mut self, method: &str, path: &str, token: &str) -> io::Result<Answer> {
        let credential = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n{credential}\r\n");
        self.stream.write_all(request.as_bytes()).await?;

        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            match line.trim_end().split_once(": ") {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?;
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}
