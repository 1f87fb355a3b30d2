//! A token that is seen for the first time, of a session that is in the cache: its signature, and what comes on top.

use std::{hint::black_box, time::Instant};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use tower_device_sessions::store::MemoryStore;

use crate::{
    Failure, Pace,
    figures::{Figures, heading},
    ours,
    rounds::median,
};

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
    #[serde(rename = "gen")]
    generation: u32,
}

pub async fn run(pace: Pace, figures: &mut Figures) -> Result<(), Failure> {
    let sessions = ours::manager(MemoryStore::new())?.build()?;
    let started = sessions.start(ours::USER, tower_device_sessions::ClientInfo::new()).await?;
    sessions.authenticate(started.token()).await?;

    let secret = ours::SECRET.as_bytes();
    let (signing, verifying) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".to_owned());
    let validation = Validation::new(Algorithm::HS256);
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let (rounds, tokens) = (pace.pick(100, 400), 100_i64);

    let (mut seen, mut verified) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let fresh = (0..tokens)
            .map(|number| {
                let claims = Claims {
                    sub: ours::USER.to_owned(),
                    sid: started.session().id.to_string(),
                    iat: now,
                    exp: now + 600 + round * tokens + number,
                    generation: 0,
                };
                encode(&header, &claims, &signing)
            })
            .collect::<Result<Vec<String>, _>>()?;
        let start = Instant::now();
        for token in &fresh {
            black_box(sessions.authenticate(token).await?);
        }
        seen.push(start.elapsed().as_nanos() as f64 / tokens as f64);
        let start = Instant::now();
        for token in &fresh {
            black_box(decode::<Claims>(token, &verifying, &validation)?.claims);
        }
        verified.push(start.elapsed().as_nanos() as f64 / tokens as f64);
    }

    let (seen, verified) = (median(seen), median(verified));
    heading("A token that is seen for the first time, its session being cached (HS256)");
    println!("this crate {seen:.0} ns, `jsonwebtoken` alone {verified:.0} ns, on top {:.0} ns", seen - verified);
    figures.add("first_sight_over_hs256_ns", seen - verified);
    Ok(())
}
