//! What tutorials show: verify the token, `SELECT` the session, `UPDATE` when it was last seen, on every request.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use sqlx::{
    PgPool, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Failure, ours, rivals::Claims, rounds::Case};

/// A file for a database, in a folder that is gone when the process has ended.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Result<Self, Failure> {
        let folder = Self::folder();
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder.join(format!("{name}.db"))))
    }

    pub fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("peers-{}", std::process::id()))
    }

    pub fn url(&self) -> String {
        format!("sqlite://{}", self.0.display())
    }
}

#[derive(Clone)]
enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

struct Tutorial {
    key: DecodingKey,
    validation: Validation,
    database: Database,
}

impl Tutorial {
    async fn check(&self, headers: &HeaderMap) -> Option<()> {
        let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = header.strip_prefix("Bearer ")?;
        let claims = decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        match &self.database {
            Database::Sqlite(pool) => {
                let select = "SELECT revoked FROM tutorial WHERE id = ?1 AND user_id = ?2";
                let revoked: (bool,) =
                    sqlx::query_as(select).bind(&claims.sid).bind(&claims.sub).fetch_one(pool).await.ok()?;
                let update = "UPDATE tutorial SET last_seen = ?2 WHERE id = ?1";
                sqlx::query(update).bind(&claims.sid).bind(now).execute(pool).await.ok()?;
                (!revoked.0).then_some(())
            }
            Database::Postgres(pool) => {
                let select = "SELECT revoked FROM tutorial_sessions WHERE id = $1 AND user_id = $2";
                let revoked: (bool,) =
                    sqlx::query_as(select).bind(&claims.sid).bind(&claims.sub).fetch_one(pool).await.ok()?;
                let update = "UPDATE tutorial_sessions SET last_seen = $2 WHERE id = $1";
                sqlx::query(update).bind(&claims.sid).bind(now).execute(pool).await.ok()?;
                (!revoked.0).then_some(())
            }
        }
    }
}

async fn tutorial(State(tutorial): State<Arc<Tutorial>>, headers: HeaderMap, request: Request, next: Next) -> Response {
    match tutorial.check(&headers).await {
        Some(()) => next.run(request).await,
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

pub async fn cases() -> Result<Vec<Case>, Failure> {
    let mut cases = vec![case("tutorial_sqlite", Database::Sqlite(tutorial_sqlite().await?)).await?];
    match postgres().await {
        Ok(pool) => cases.push(case("tutorial_postgres", Database::Postgres(pool)).await?),
        Err(error) => println!("no Postgres at {}: {error}", postgres_url()),
    }
    Ok(cases)
}

async fn case(name: &'static str, database: Database) -> Result<Case, Failure> {
    let (key, validation) = (DecodingKey::from_secret(ours::SECRET.as_bytes()), Validation::new(Algorithm::HS256));
    let (token, claims) = Claims::token_hs256()?;
    match &database {
        Database::Sqlite(pool) => {
            let insert = "INSERT INTO tutorial VALUES (?1, ?2, FALSE, 0)";
            sqlx::query(insert).bind(&claims.sid).bind(&claims.sub).execute(pool).await?;
        }
        Database::Postgres(pool) => {
            let insert = "INSERT INTO tutorial_sessions VALUES ($1, $2, FALSE, 0)";
            sqlx::query(insert).bind(&claims.sid).bind(&claims.sub).execute(pool).await?;
        }
    }
    let state = Arc::new(Tutorial { key, validation, database });
    let app = Router::new().route("/", get(async || "ok")).layer(from_fn_with_state(state, tutorial));
    Ok(Case::new(name, app, Some(ours::bearer(&token)?)))
}

pub async fn sqlite(name: &str) -> Result<SqlitePool, Failure> {
    let scratch = Scratch::new(name)?;
    let options = scratch
        .url()
        .parse::<SqliteConnectOptions>()?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    Ok(SqlitePoolOptions::new().connect_with(options).await?)
}

async fn tutorial_sqlite() -> Result<SqlitePool, Failure> {
    let pool = sqlite("tutorial").await?;
    let table = "CREATE TABLE tutorial (id TEXT PRIMARY KEY, user_id TEXT, revoked BOOLEAN, last_seen INTEGER)";
    sqlx::query(table).execute(&pool).await?;
    Ok(pool)
}

async fn postgres() -> Result<PgPool, Failure> {
    let patience = std::time::Duration::from_secs(2);
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(patience).connect(&postgres_url()).await?;
    let table = "CREATE TABLE IF NOT EXISTS tutorial_sessions \
                 (id TEXT PRIMARY KEY, user_id TEXT, revoked BOOLEAN, last_seen BIGINT)";
    sqlx::query(table).execute(&pool).await?;
    Ok(pool)
}

pub fn postgres_url() -> String {
    std::env::var("TEST_POSTGRES_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/test".to_owned())
}
