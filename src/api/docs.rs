//! The OpenAPI 3.1 document, made from the handlers, and Swagger UI from inside the binary.

use utoipa::openapi::security::{Flow, Http, HttpAuthScheme, OAuth2, Password, Scopes, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

/// Where the document is.
const DOCUMENT: &str = "/auth/openapi.json";

/// What the document says besides the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gateward",
        description = "Registers people, logs them in, ends their sessions. Press Authorize to log in; \
                       the access token is then sent with every call."
    ),
    tags(
        (name = "accounts", description = "Who somebody is"),
        (name = "sessions", description = "Begun by a login, carried on by refreshes, ended by a logout"),
        (name = "keys", description = "For other verifiers"),
        (name = "standards", description = "OAuth 2.0 and its kin: token, introspection, revocation, discovery, status lists"),
    ),
    modifiers(&LoginScheme, &ClientScheme)
)]
pub struct Document;

/// The OAuth2 password flow, so that the Authorize button logs in through `/auth/login`.
struct LoginScheme;

impl Modify for LoginScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let flow = Flow::Password(Password::with_refresh_url("/auth/login", Scopes::new(), "/auth/refresh"));
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("password", SecurityScheme::OAuth2(OAuth2::new([flow])));
    }
}

/// HTTP Basic of a configured client, for introspection.
struct ClientScheme;

impl Modify for ClientScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
        document.components.get_or_insert_default().add_security_scheme("client", basic);
    }
}

/// Serves the document and the page. The base layout has no field for the address of another document: this
/// page is about this gateway, and asks for passwords.
pub fn pages(document: utoipa::openapi::OpenApi) -> SwaggerUi {
    let config = utoipa_swagger_ui::Config::default()
        .use_base_layout()
        .display_request_duration(true)
        .validator_url("none");
    SwaggerUi::new("/auth/docs").url(DOCUMENT, document).config(config)
}
