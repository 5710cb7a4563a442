//! Answers for clients of HTTP/1.0, which know no chunks: for them the end of the connection is the end of the answer
//! (RFC 9112 section 6.3).
//!
//! An answer that came over HTTP/2 without a length gets `Transfer-Encoding` from the proxy library after our filters. One
//! of its modules is the last to see a head, and takes it away; the library then frames the body by what is left.
//! Only requests of such clients have the module.

use std::any::Any;

use async_trait::async_trait;
use http::header::TRANSFER_ENCODING;
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::modules::http::{HttpModule, HttpModuleBuilder, HttpModuleCtx, HttpModules, Module};

/// The modules of such a request.
pub(super) fn without_chunks() -> HttpModuleCtx {
    let mut modules = HttpModules::new();
    modules.add_module(Box::new(WithoutChunks));
    modules.build_ctx()
}

struct WithoutChunks;

impl HttpModuleBuilder for WithoutChunks {
    fn init(&self) -> Module {
        Box::new(WithoutChunks)
    }
}

#[async_trait]
impl HttpModule for WithoutChunks {
    async fn response_header_filter(&mut self, answer: &mut ResponseHeader, _end: bool) -> Result<()> {
        answer.remove_header(&TRANSFER_ENCODING);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
