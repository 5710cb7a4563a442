//! What is printed when the gateway is ready.

use std::net::SocketAddr;

/// For people who just started it without a configuration: the three calls to try.
pub fn try_it(scheme: &str, listen: SocketAddr, admin: SocketAddr, behind: &str) -> String {
    format!(
        r#"
Gateward is ready on {scheme}://{listen} in front of {behind}.
API documentation: {scheme}://{listen}/auth/docs   Operators: http://{admin}/readyz

Register, log in, call:

  curl -s {scheme}://{listen}/auth/register -H 'Content-Type: application/json' -d '{{"email":"ada@example.org","password":"seven purple otters juggle"}}'

  TOKEN=$(curl -s {scheme}://{listen}/auth/login -d username=ada@example.org --data-urlencode 'password=seven purple otters juggle' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

  curl -s {scheme}://{listen}/hello -H "Authorization: Bearer $TOKEN"

Ctrl-C stops it.
"#
    )
}
