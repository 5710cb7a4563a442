//! One flow, both kinds of store.

use super::app::{AppBuilder, TestApp};

/// Starts a program on this kind of store and runs a flow against it. For [`both_kinds!`].
pub async fn run_on<Flow, Running>(builder: AppBuilder, flow: Flow)
where
    Flow: FnOnce(TestApp) -> Running,
    Running: Future<Output = ()>,
{
    flow(builder.start().await).await;
}

/// A flow as two tests, `name::embedded` and `name::postgres`.
///
/// ```ignore
/// both_kinds!(login_gives_a_token, |app| async move { let (_, token) = app.new_person().await; });
/// both_kinds!(closed, |app| app.config("accounts.registration = 'closed'"), |app| async move { .. });
/// ```
macro_rules! both_kinds {
    ($name:ident, $flow:expr) => {
        $crate::support::both_kinds::both_kinds!($name, |app: $crate::support::app::AppBuilder| app, $flow);
    };
    ($name:ident, |$builder:ident| $setup:expr, $flow:expr) => {
        $crate::support::both_kinds::both_kinds!(
            $name,
            |$builder: $crate::support::app::AppBuilder| $setup,
            $flow
        );
    };
    ($name:ident, |$builder:ident: $kind:ty| $setup:expr, $flow:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "a flow may name nothing")]
            use super::*;

            #[tokio::test]
            async fn embedded() {
                let $builder: $kind = $crate::support::app::TestApp::embedded();
                $crate::support::both_kinds::run_on($setup, $flow).await;
            }

            #[tokio::test]
            async fn postgres() {
                let $builder: $kind = $crate::support::app::TestApp::postgres();
                $crate::support::both_kinds::run_on($setup, $flow).await;
            }
        }
    };
}
pub(crate) use both_kinds;
