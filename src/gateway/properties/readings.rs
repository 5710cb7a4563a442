//! How services read a request target: each of these is a faithful, small copy of a rule in use, with its source.
//!
//! A reading is the list of the path's segments as the service's own routes see them: decoded where it decodes. None
//! where the service answers an error of its own. Where versions differ, the more lenient one is here.

/// The segments of a path, first to last, without slashes.
pub type Segments = Vec<Vec<u8>>;

/// What a service makes of a target.
pub type Reading = fn(&[u8]) -> Option<Segments>;

/// Every reading, by the name of the service.
pub const READINGS: &[(&str, Reading)] = &[
    ("nginx", nginx),
    ("whatwg-url", node_url),
    ("node-path", node_path),
    ("python-normpath", python_files),
    ("wsgi-asgi", python_gateway),
    ("go-clean", go_clean),
    ("go-mux", go_mux),
    ("tomcat", tomcat),
    ("java-cut-late", decoded_then_cut),
    ("rfc-3986", rfc_3986),
    ("decoded-twice", decoded_twice),
];

/// `ngx_http_parse_complex_uri` of nginx's `src/http/ngx_http_parse.c`, with `merge_slashes on` (the default): one pass
/// that decodes once and takes an encoded slash or dot for the real one.
fn nginx(target: &[u8]) -> Option<Segments> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Usual,
        Slash,
        Dot,
        DotDot,
    }
    let back = |out: &mut Vec<u8>| {
        // Behind the slash before the segment that `..` is in, then behind the one before that.
        out.truncate(out.len().checked_sub(3)?);
        out.truncate(out.iter().rposition(|byte| *byte == b'/')? + 1);
        Some(())
    };
    let mut out = Vec::new();
    let mut state = State::Usual;
    let mut rest = target;
    while let Some((byte, after)) = rest.split_first() {
        let (byte, quoted, after) = if *byte == b'%' {
            let byte = triple(after)?;
            (byte, true, after.get(2..).unwrap_or_default())
        } else {
            (*byte, false, after)
        };
        rest = after;
        // Of the encoded ones only these are no signs any more.
        if quoted && byte == 0 {
            return None;
        }
        if quoted && matches!(byte, b'%' | b'#' | b'?') {
            state = State::Usual;
            out.push(byte);
            continue;
        }
        match (state, byte) {
            (_, b'?' | b'#') => break,
            (State::Usual, b'/') => {
                state = State::Slash;
                out.push(byte);
            }
            (State::Usual, _) => out.push(byte),
            (State::Slash, b'/') => {}
            (State::Slash, b'.') => {
                state = State::Dot;
                out.push(byte);
            }
            (State::Dot, b'/') => {
                state = State::Slash;
                out.pop();
            }
            (State::Dot, b'.') => {
                state = State::DotDot;
                out.push(byte);
            }
            (State::DotDot, b'/') => {
                state = State::Slash;
                back(&mut out)?;
            }
            (State::Slash | State::Dot | State::DotDot, _) => {
                state = State::Usual;
                out.push(byte);
            }
        }
    }
    match state {
        State::Dot => drop(out.pop()),
        State::DotDot => back(&mut out)?,
        State::Usual | State::Slash => {}
    }
    Some(split(&out))
}

/// `new URL(request.url, "http://host").pathname`, then `decodeURIComponent` (URL Standard, "path state" and "relative
/// slash state"): white space of lines vanishes, `\` is `/`, `%2e` is a dot, two slashes begin a host.
fn node_url(target: &[u8]) -> Option<Segments> {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let text: Vec<u8> =
        target.iter().copied().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r')).collect();
    let text = until(&text, b"?#");
    let slashes = text.iter().take_while(|byte| is_slash(byte)).count();
    let path = if slashes >= 2 {
        let host = text.get(slashes..)?;
        host.get(host.iter().position(is_slash).unwrap_or(host.len())..)?
    } else {
        text
    };
    let raw: Vec<&[u8]> = path.split(|byte| is_slash(byte)).skip(1).collect();
    let mut segments: Vec<&[u8]> = Vec::new();
    for (at, segment) in raw.iter().enumerate() {
        let last = at + 1 == raw.len();
        match segment.to_ascii_lowercase().as_slice() {
            b".." | b".%2e" | b"%2e." | b"%2e%2e" => {
                segments.pop();
            }
            b"." | b"%2e" => {}
            _ => {
                segments.push(segment);
                continue;
            }
        }
        if last {
            segments.push(b"");
        }
    }
    segments.into_iter().map(component).collect()
}

/// `url.parse(request.url).pathname` (Node's legacy parser turns `\` into `/` before the query), `decodeURIComponent`,
/// `path.posix.normalize`: what `send`, and with it `express.static`, makes of a path.
fn node_path(target: &[u8]) -> Option<Segments> {
    let path: Vec<u8> =
        until(target, b"?#").iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    let path = component(&path)?;
    (!path.contains(&0)).then(|| resolved(split(&path)))
}

/// `posixpath.normpath(urllib.parse.unquote(path))` (`SimpleHTTPRequestHandler.translate_path` of CPython's
/// `Lib/http/server.py`). What `normpath` keeps of two slashes at the start, the handler drops.
fn python_files(target: &[u8]) -> Option<Segments> {
    Some(resolved(split(&decoded(until(target, b"?#")))))
}

/// `PATH_INFO` of WSGI (PEP 3333; `wsgiref`, gunicorn) and `path` of ASGI (uvicorn): decoded once, nothing else.
fn python_gateway(target: &[u8]) -> Option<Segments> {
    Some(split(&decoded(until(target, b"?"))))
}

/// `path.Clean(request.URL.Path)`: `http.FileServer`, and `ServeMux` before Go 1.22 (`cleanPath` of
/// `src/net/http/server.go`).
fn go_clean(target: &[u8]) -> Option<Segments> {
    Some(resolved(split(&go_path(target)?)))
}

/// `ServeMux` since Go 1.22: cleans the escaped path and decodes each segment when it matches it
/// (`src/net/http/routing_tree.go`).
fn go_mux(target: &[u8]) -> Option<Segments> {
    go_path(target)?;
    Some(resolved(split(until(target, b"?"))).iter().map(|segment| decoded(segment)).collect())
}

/// `url.ParseRequestURI`: an escape that is none is an error.
fn go_path(target: &[u8]) -> Option<Vec<u8>> {
    strict(until(target, b"?"))
}

/// Tomcat's `CoyoteAdapter`: cuts `;` parameters from each segment, decodes, then `normalize`: `\` is `/` and slashes are
/// decoded where the connector allows it (the most lenient setting), merged, dots resolved.
fn tomcat(target: &[u8]) -> Option<Segments> {
    let path = until(target, b"?");
    let cut: Vec<&[u8]> = path.split(|byte| *byte == b'/').map(|segment| until(segment, b";")).collect();
    let path = strict(&cut.join(&b'/'))?;
    (!path.contains(&0)).then(|| resolved(split(&backslashes_turned(path))))
}

/// Decodes first and cuts parameters afterwards, as Spring's `UrlPathHelper` can and old Jettys did: an encoded `;`
/// hides what follows.
fn decoded_then_cut(target: &[u8]) -> Option<Segments> {
    let path = backslashes_turned(strict(until(target, b"?"))?);
    Some(resolved(split(&path).iter().map(|segment| until(segment, b";").to_vec()).collect()))
}

/// RFC 3986 section 6.2.2: unreserved characters decoded, then dot segments removed (section 5.2.4), as Envoy
/// (`normalize_path`, with `merge_slashes`) and other proxies do; whoever is behind decodes the rest.
fn rfc_3986(target: &[u8]) -> Option<Segments> {
    let mut path = Vec::new();
    let mut rest = until(target, b"?#");
    while let Some((byte, after)) = rest.split_first() {
        match triple(after).filter(|_| *byte == b'%') {
            Some(plain) if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => {
                path.push(plain);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                path.push(*byte);
                rest = after;
            }
        }
    }
    Some(resolved(split(&path)).iter().map(|segment| decoded(segment)).collect())
}

/// A rewriting proxy and the service behind it each decode once; then everything above at once.
fn decoded_twice(target: &[u8]) -> Option<Segments> {
    let path = backslashes_turned(decoded(&decoded(until(target, b"?#"))));
    let cut = split(&path).iter().map(|segment| until(segment, b";").to_vec()).collect();
    Some(resolved(cut))
}

/// Up to the first of these bytes.
fn until<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| ends.contains(byte)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The segments behind the first slash.
fn split(path: &[u8]) -> Segments {
    path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
}

/// Slashes merged and dot segments resolved; the root is its own parent.
fn resolved(segments: Segments) -> Segments {
    let mut kept = Segments::new();
    for segment in segments {
        match segment.as_slice() {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    kept
}

fn backslashes_turned(path: Vec<u8>) -> Vec<u8> {
    path.into_iter().map(|byte| if byte == b'\\' { b'/' } else { byte }).collect()
}

/// The byte of the two digits at the start.
fn triple(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// `urllib.parse.unquote_to_bytes`: whatever is no escape stays.
pub fn decoded(text: &[u8]) -> Vec<u8> {
    decode(text).0
}

/// Decoded, or none if an escape is malformed.
fn strict(text: &[u8]) -> Option<Vec<u8>> {
    let (decoded, well_formed) = decode(text);
    well_formed.then_some(decoded)
}

/// `decodeURIComponent`: none for what is malformed or no UTF-8.
fn component(text: &[u8]) -> Option<Vec<u8>> {
    strict(text).filter(|bytes| std::str::from_utf8(bytes).is_ok())
}

/// Decoded, and whether every `%` began an escape.
fn decode(text: &[u8]) -> (Vec<u8>, bool) {
    let (mut out, mut well_formed) = (Vec::with_capacity(text.len()), true);
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        out.push(match (byte, triple(after)) {
            (b'%', Some(decoded)) => {
                rest = after.get(2..).unwrap_or_default();
                decoded
            }
            (byte, _) => {
                well_formed &= *byte != b'%';
                *byte
            }
        });
    }
    (out, well_formed)
}
