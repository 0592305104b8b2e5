//! The body of a request: read piece by piece, with a limit on the sender's silence.

use std::error::Error;
use std::io;

use bytes::{Bytes, BytesMut};
use ecru_platform::{BodyBudget, BodyRefused, HeldBody};
use ecru_registry::{UploadPlace, UploadPlaces};
use ecru_store::ByteSource;
use http_body::Body;
use http_body_util::BodyExt;

/// Up to this size, the memory for parsing a gathered body is not counted.
const SMALL_BYTES: usize = 16 * 1024;

/// Why a body was not received whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Silent,
    Cut,
    /// The body was slow while other requests waited for memory.
    Slow,
    /// No memory became free for the body.
    Crowded,
    /// The maximum number of uploads was in progress for as long as the request waited.
    NoPlace,
    /// The body ended, but not at the end of its `Content-Range`.
    WrongLength,
}

pub(crate) struct Incoming<B> {
    body: B,
    /// The memory of a gathered body, until this is dropped.
    held: HeldBody,
    /// The place among the uploads in progress, until this is dropped.
    place: Option<UploadPlace>,
    ended: bool,
    failure: Option<Failure>,
}

pub(crate) enum Gathered {
    Whole(Bytes),
    TooLong,
    Failed(Failure),
}

impl From<BodyRefused> for Failure {
    fn from(refused: BodyRefused) -> Self {
        match refused {
            BodyRefused::Silent => Self::Silent,
            BodyRefused::Slow => Self::Slow,
            BodyRefused::Crowded => Self::Crowded,
        }
    }
}

impl<B> Incoming<B> {
    pub(crate) fn new(body: B, budget: &BodyBudget) -> Self {
        Self {
            body,
            held: budget.body(),
            place: None,
            ended: false,
            failure: None,
        }
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl<B> Incoming<B>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The length that the sender declared.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Takes a place among the uploads in progress. A body without bytes needs none.
    pub(crate) async fn take_place(&mut self, places: &UploadPlaces) -> Result<(), Failure> {
        if !self.body.is_end_stream() {
            self.place = Some(places.take().await.map_err(|_| Failure::NoPlace)?);
        }
        Ok(())
    }

    /// Reads the whole body, if it is at most `limit_bytes` long. At most one piece beyond the limit is read.
    pub(crate) async fn gather(&mut self, limit_bytes: usize) -> Gathered {
        if self.length().is_some_and(|length| length > limit_bytes as u64) {
            return Gathered::TooLong;
        }
        match self.gather_pieces(limit_bytes).await {
            Ok(Some(bytes)) => Gathered::Whole(bytes),
            Ok(None) => Gathered::TooLong,
            Err(failure) => {
                self.ended = true;
                self.failure = Some(failure);
                Gathered::Failed(failure)
            }
        }
    }

    /// `None` for a body over the limit.
    async fn gather_pieces(&mut self, limit_bytes: usize) -> Result<Option<Bytes>, Failure> {
        let mut gathered = BytesMut::new();
        while let Some(frame) = self.held.next(self.body.frame()).await? {
            let Ok(data) = frame.map_err(|_| Failure::Cut)?.into_data() else {
                continue;
            };
            let length = gathered.len() + data.len();
            if length > limit_bytes {
                return Ok(None);
            }
            self.held.arrived(data.len());
            self.held.grow_to(length).await?;
            if length > SMALL_BYTES && gathered.capacity() < length {
                // Reserves the whole declared length at once: memory that was never written to takes no room.
                let rest = usize::try_from(self.body.size_hint().lower()).unwrap_or(0);
                gathered.reserve(data.len() + rest.min(limit_bytes));
            }
            gathered.extend_from_slice(&data);
        }
        if gathered.len() > SMALL_BYTES {
            // Parsing takes about the same amount again.
            self.held.grow_to(2 * gathered.len()).await?;
        }
        self.ended = true;
        Ok(Some(gathered.freeze()))
    }

    async fn piece(&mut self) -> Option<Result<Bytes, Failure>> {
        while !self.ended {
            let body = &mut self.body;
            let frame = async { Some(body.frame().await?.map_err(|_| Failure::Cut)) };
            let frame = match &mut self.place {
                Some(place) => place.next(frame).await,
                None => self.held.next(frame).await,
            };
            let failure = match frame {
                Ok(None) => {
                    self.ended = true;
                    return None;
                }
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => {
                        if let Some(place) = &mut self.place {
                            place.arrived(data.len());
                        }
                        return Some(Ok(data));
                    }
                    // Trailers and empty pieces have no content.
                    _ => continue,
                },
                Ok(Some(Err(failure))) => failure,
                Err(refused) => refused.into(),
            };
            self.ended = true;
            self.failure = Some(failure);
            return Some(Err(failure));
        }
        None
    }
}

/// A body lent to the registry, which reads its bytes and does not depend on HTTP.
pub(crate) struct Source<'i, B> {
    incoming: &'i mut Incoming<B>,
    /// The number of bytes that must still arrive, if it is known beforehand.
    awaited: Option<u64>,
}

impl<'i, B> Source<'i, B> {
    pub(crate) fn whole(incoming: &'i mut Incoming<B>) -> Self {
        Self {
            incoming,
            awaited: None,
        }
    }

    /// The body must be as long as the chunk. If its length was not declared, this is checked at its end.
    pub(crate) fn chunk(incoming: &'i mut Incoming<B>, range: Option<(u64, u64)>) -> Self {
        Self {
            incoming,
            awaited: range.map(|(first, last)| last - first + 1),
        }
    }

    fn count(&mut self, piece: Option<&Bytes>) -> Result<(), Failure> {
        let Some(awaited) = &mut self.awaited else {
            return Ok(());
        };
        let came = piece.map_or(0, |piece| piece.len() as u64);
        match awaited.checked_sub(came) {
            Some(left) if piece.is_some() || left == 0 => *awaited = left,
            _ => return Err(Failure::WrongLength),
        }
        Ok(())
    }
}

impl<B> ByteSource for Source<'_, B>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.incoming.failure.is_some() {
            return None;
        }
        let piece = self.incoming.piece().await.transpose();
        let counted = piece.and_then(|piece| self.count(piece.as_ref()).map(|()| piece));
        match counted {
            Ok(piece) => piece.map(Ok),
            Err(failure) => {
                self.incoming.failure = Some(failure);
                Some(Err(io::Error::from(match failure {
                    Failure::Silent | Failure::Slow => io::ErrorKind::TimedOut,
                    Failure::Crowded | Failure::NoPlace => io::ErrorKind::OutOfMemory,
                    Failure::Cut => io::ErrorKind::UnexpectedEof,
                    Failure::WrongLength => io::ErrorKind::InvalidInput,
                })))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;
    use http_body_util::Full;

    use super::*;

    fn incoming<B>(body: B) -> Incoming<B> {
        Incoming::new(body, &BodyBudget::default())
    }

    fn whole(gathered: Gathered) -> Option<Bytes> {
        match gathered {
            Gathered::Whole(bytes) => Some(bytes),
            Gathered::TooLong | Gathered::Failed(_) => None,
        }
    }

    #[tokio::test]
    async fn a_body_at_the_limit_is_gathered_and_one_beyond_it_is_not() {
        for (length, limit, fits) in [(0, 0, true), (4, 4, true), (5, 4, false)] {
            let mut incoming = incoming(Full::new(Bytes::from(vec![7; length])));
            assert_eq!(
                whole(incoming.gather(limit).await).is_some(),
                fits,
                "{length} of {limit}"
            );
        }
    }

    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Pending
        }
    }

    struct BreaksOff {
        told: bool,
    }

    impl Body for BreaksOff {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Ready(Some(if std::mem::replace(&mut self.told, true) {
                Err(io::Error::other("gone"))
            } else {
                Ok(Frame::data(Bytes::from_static(b"ab")))
            }))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_sender_is_given_up_after_a_minute() {
        let mut incoming = incoming(Silent);
        assert!(Source::whole(&mut incoming).next().await.unwrap().is_err());
        assert_eq!(incoming.failure(), Some(Failure::Silent));
        assert!(Source::whole(&mut incoming).next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_body_that_is_gathered_fails_and_gives_its_memory_back() {
        let mut silent = incoming(Silent);
        let gathered = silent.gather(4).await;
        assert!(matches!(gathered, Gathered::Failed(Failure::Silent)));
        assert_eq!(silent.failure(), Some(Failure::Silent));
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_are_gathered_share_one_budget() {
        let budget = BodyBudget::default();
        let large = || Incoming::new(Full::new(Bytes::from(vec![7; 14 << 20])), &budget);
        let (mut first, mut second, mut third) = (large(), large(), large());
        assert!(whole(first.gather(14 << 20).await).is_some());
        assert!(whole(second.gather(14 << 20).await).is_some());
        let crowded = third.gather(14 << 20).await;
        assert!(matches!(crowded, Gathered::Failed(Failure::Crowded)));
        drop(first);
        assert!(whole(large().gather(14 << 20).await).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_with_bytes_takes_a_place_and_is_refused_where_none_becomes_free() {
        let places = UploadPlaces::new(1);
        let mut first = incoming(Full::new(Bytes::from_static(b"ab")));
        assert_eq!(first.take_place(&places).await, Ok(()));
        let mut empty = incoming(Full::new(Bytes::new()));
        assert_eq!(empty.take_place(&places).await, Ok(()));

        let mut second = incoming(Full::new(Bytes::from_static(b"ab")));
        let begun = tokio::time::Instant::now();
        assert_eq!(second.take_place(&places).await, Err(Failure::NoPlace));
        assert_eq!(begun.elapsed().as_secs(), 30);
        drop(first);
        assert_eq!(second.take_place(&places).await, Ok(()));
        assert_eq!(Source::whole(&mut second).next().await.unwrap().unwrap(), "ab");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error_and_then_ends() {
        let mut incoming = incoming(BreaksOff { told: false });
        assert_eq!(Source::whole(&mut incoming).next().await.unwrap().unwrap(), "ab");
        assert!(Source::whole(&mut incoming).next().await.unwrap().is_err());
        assert_eq!(incoming.failure(), Some(Failure::Cut));
        assert!(Source::whole(&mut incoming).next().await.is_none());
    }

    #[tokio::test]
    async fn a_chunk_of_another_length_than_its_range_is_an_error() {
        for (length, range, fits) in [
            (5, (0, 4), true),
            (1, (7, 7), true),
            (5, (0, 3), false),
            (5, (0, 9), false),
        ] {
            let mut incoming = incoming(Full::new(Bytes::from(vec![7; length])));
            let mut source = Source::chunk(&mut incoming, Some(range));
            let mut whole = true;
            while let Some(piece) = source.next().await {
                whole &= piece.is_ok();
            }
            assert_eq!(whole, fits, "{length} bytes for {range:?}");
            assert_eq!(incoming.failure(), (!fits).then_some(Failure::WrongLength));
        }
    }
}
