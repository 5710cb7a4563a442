//! The durable store of a [`TestApp`], reached past the program: for what only foreign hands leave there.

use rusqlite::Connection;

use super::app::TestApp;
use super::postgres::run_sql;

impl TestApp {
    /// Gives an account this stored password hash.
    pub async fn set_stored_hash(&self, email: &str, hash: &str) {
        let update = format!("UPDATE accounts SET password_hash = '{hash}' WHERE email_normal = '{email}'");
        match self.database_url() {
            Some(url) => run_sql(&url, &update).await.expect("the row is changed"),
            None => self.sqlite().execute_batch(&update).expect("the row is changed"),
        }
    }

    /// Runs a statement that both kinds understand.
    pub async fn sql(&self, statement: &str) {
        match self.database_url() {
            Some(url) => run_sql(&url, statement).await.expect("the statement is right"),
            None => self.sqlite().execute_batch(statement).expect("the statement is right"),
        }
    }

    /// The stored password hash of an account.
    pub async fn stored_hash(&self, email: &str) -> String {
        let select = format!("SELECT password_hash FROM accounts WHERE email_normal = '{email}'");
        let Some(url) = self.database_url() else {
            return self.sqlite().query_row(&select, [], |row| row.get(0)).expect("there is such a row");
        };
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("the server answers");
        let connection = tokio::spawn(connection);
        let row = client.query_one(&select, &[]).await.expect("there is such a row");
        connection.abort();
        row.get(0)
    }

    /// `postgres.url`; `None` on the embedded store.
    fn database_url(&self) -> Option<String> {
        let config = self.configuration();
        Some(config.get("postgres")?.get("url")?.as_str()?.to_owned())
    }

    fn sqlite(&self) -> Connection {
        let path = self.working_dir().join(".gateward").join("gateward.db");
        let connection = Connection::open(path).expect("the database opens");
        connection.busy_timeout(std::time::Duration::from_secs(5)).expect("a timeout can be set");
        connection
    }
}
