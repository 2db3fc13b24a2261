//! Bodies of answers: compressed or not, of told length or chunked, and cut off or dripping where a rule says so.

use std::{convert::Infallible, io, io::Write, time::Duration};

use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::Frame;

/// What hyper sends.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// From this size on a body is chunked, under `Transfer::Auto`.
pub(crate) const CHUNKED_FROM: usize = 8 * 1024;

/// Size of the pieces of a chunked body.
const PIECE: usize = 16 * 1024;

/// How long a cut-off body waits before its connection ends, so that what goes before is on its way.
const BEFORE_THE_CUT: Duration = Duration::from_millis(20);

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    /// What to use for an `Accept-Encoding`.
    pub(crate) fn accepted(header: Option<&str>) -> Self {
        let accepts = |name: &str| {
            header.is_some_and(|header| {
                header.split(',').any(|offer| {
                    let mut parts = offer.split(';').map(str::trim);
                    let named = parts.next().is_some_and(|own| own.eq_ignore_ascii_case(name));
                    named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
                })
            })
        };
        if accepts("gzip") || accepts("x-gzip") {
            Self::Gzip
        } else if accepts("deflate") {
            Self::Deflate
        } else {
            Self::Identity
        }
    }

    /// For `Content-Encoding`.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
        }
    }

    pub(crate) fn encode(self, body: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(body),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
                encoder.write_all(&body)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
                encoder.write_all(&body)?;
                encoder.finish()
            }
        }
    }
}

/// A body of known length.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(never).boxed()
}

fn never(impossible: Infallible) -> io::Error {
    match impossible {}
}

/// A chunked body.
pub(crate) fn chunked(bytes: Vec<u8>) -> Body {
    pieces(Bytes::from(bytes), PIECE, Duration::ZERO, None)
}

/// A body that comes a little at a time.
pub(crate) fn dripping(bytes: Vec<u8>, piece: usize, pause: Duration) -> Body {
    pieces(Bytes::from(bytes), piece.max(1), pause, None)
}

/// A body that breaks off: the connection ends after these bytes.
pub(crate) fn cut(bytes: Bytes) -> Body {
    let error = io::Error::new(io::ErrorKind::ConnectionAborted, "cut off by a rule");
    pieces(bytes, PIECE, Duration::ZERO, Some(error))
}

fn pieces(bytes: Bytes, piece: usize, pause: Duration, end: Option<io::Error>) -> Body {
    let begin = (bytes, end, true);
    StreamBody::new(stream::unfold(begin, move |(mut rest, end, first)| async move {
        if rest.is_empty() {
            let error = end?;
            tokio::time::sleep(BEFORE_THE_CUT).await;
            return Some((Err(error), (rest, None, false)));
        }
        if !first && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok(Frame::data(next)), (rest, end, false)))
    }))
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_best_coding_that_is_accepted_is_used() {
        for (header, coding) in [
            (None, Coding::Identity),
            (Some("gzip, deflate"), Coding::Gzip),
            (Some("deflate;q=0.5 , GZIP"), Coding::Gzip),
            (Some("gzip;q=0, deflate"), Coding::Deflate),
            (Some("br, identity"), Coding::Identity),
        ] {
            assert_eq!(Coding::accepted(header), coding, "{header:?}");
        }
    }

    #[test]
    fn codings_can_be_read_back() {
        let text = "text ".repeat(1_000).into_bytes();
        let mut read = Vec::new();
        let packed = Coding::Gzip.encode(text.clone()).expect("packed");
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut read)
            .expect("gzip");
        assert_eq!(read, text);
        read.clear();
        let packed = Coding::Deflate.encode(text.clone()).expect("packed");
        flate2::read::ZlibDecoder::new(packed.as_slice())
            .read_to_end(&mut read)
            .expect("zlib");
        assert_eq!(read, text);
    }
}
