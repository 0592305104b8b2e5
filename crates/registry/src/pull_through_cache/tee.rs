//! Copies bytes to two places: to the store, and to a client that gets the last bytes only after verification.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use ecru_store::ByteSource;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::Pieces;

/// The number of bytes that the client gets only once digest and size are verified.
pub(super) const WITHHELD_BYTES: usize = 64 * 1024;
/// The total time that the store waits for a client, since other clients wait for the store. After that the
/// client reads the rest from the store.
const WAITING_MAX: Duration = Duration::from_secs(10);
/// How long a client may accept nothing once the blob is stored.
const PATIENCE: Duration = Duration::from_mins(1);
/// A slower upstream is given up, since it occupies one of a few places.
const PACE_BYTES_PER_SECOND: u64 = 32 * 1024;
const PACE_GRACE: Duration = Duration::from_mins(1);

pub(super) struct Tee {
    pieces: Box<dyn Pieces>,
    /// The size that the upstream announced.
    size_bytes: Option<u64>,
    seen_bytes: u64,
    begun: Instant,
    /// None once the client has disconnected.
    client: Option<Client>,
}

/// A client that gets a blob while it arrives.
pub(super) struct Client {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    given_bytes: u64,
    withheld: VecDeque<Bytes>,
    withheld_bytes: usize,
    waited: Duration,
    /// Whether the flight continues without the client.
    is_slow: bool,
}

/// Why a client did not accept a piece.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Gone,
    Slow,
}

impl Tee {
    pub(super) fn new(
        pieces: Box<dyn Pieces>,
        size_bytes: Option<u64>,
        client: Option<mpsc::Sender<io::Result<Bytes>>>,
    ) -> Self {
        Self {
            pieces,
            size_bytes,
            seen_bytes: 0,
            begun: Instant::now(),
            client: client.map(Client::new),
        }
    }

    /// The client, if it is still connected.
    pub(super) fn end(self) -> Option<Client> {
        self.client
    }

    fn is_too_slow(&self) -> bool {
        let allowed = PACE_GRACE + Duration::from_secs(self.seen_bytes / PACE_BYTES_PER_SECOND);
        self.begun.elapsed() > allowed
    }
}

impl Client {
    fn new(pieces: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self {
            pieces,
            given_bytes: 0,
            withheld: VecDeque::new(),
            withheld_bytes: 0,
            waited: Duration::ZERO,
            is_slow: false,
        }
    }

    /// Sends the withheld bytes, which are verified. A client that was too slow is returned, to read the rest
    /// from the store.
    pub(super) async fn release(mut self) -> Result<(), Self> {
        if self.is_slow {
            return Err(self);
        }
        while let Some(piece) = self.withheld.pop_front() {
            if self.give(piece).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Ends the client's response with an error.
    pub(super) async fn break_off(self) {
        let broken = io::Error::new(io::ErrorKind::InvalidData, "the upstream sent another blob");
        // A client that accepts nothing more sees the end of the channel instead.
        let _ = timeout(PATIENCE, self.pieces.send(Err(broken))).await;
    }

    pub(super) fn given_bytes(&self) -> u64 {
        self.given_bytes
    }

    /// Sends a piece of a stored blob.
    pub(super) async fn give(&mut self, piece: Bytes) -> Result<(), ClientGone> {
        self.send(piece, PATIENCE).await.map_err(|_| ClientGone)
    }

    async fn hold(&mut self, piece: Bytes) -> Result<(), Refusal> {
        if self.is_slow {
            return Ok(());
        }
        self.withheld_bytes += piece.len();
        self.withheld.push_back(piece);
        while let Some(spare) = self
            .withheld_bytes
            .checked_sub(WITHHELD_BYTES)
            .filter(|spare| *spare > 0)
            && let Some(mut first) = self.withheld.pop_front()
        {
            let given = first.split_to(spare.min(first.len()));
            self.withheld_bytes -= given.len();
            if !first.is_empty() {
                self.withheld.push_front(first);
            }
            let begun = Instant::now();
            let sent = self.send(given, WAITING_MAX.saturating_sub(self.waited)).await;
            self.waited += begun.elapsed();
            if sent == Err(Refusal::Slow) {
                self.is_slow = true;
                self.withheld = VecDeque::new();
                return Ok(());
            }
            sent?;
        }
        Ok(())
    }

    async fn send(&mut self, piece: Bytes, patience: Duration) -> Result<(), Refusal> {
        let length = piece.len() as u64;
        match timeout(patience, self.pieces.send(Ok(piece))).await {
            Ok(Ok(())) => {
                self.given_bytes += length;
                Ok(())
            }
            Ok(Err(_)) => Err(Refusal::Gone),
            Err(_) => Err(Refusal::Slow),
        }
    }
}

/// The client has disconnected.
pub(super) struct ClientGone;

impl ByteSource for Tee {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let piece = match self.pieces.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Some(Err(error)),
            None if self.size_bytes.is_some_and(|size| size != self.seen_bytes) => {
                return Some(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            None => return None,
        };
        self.seen_bytes += piece.len() as u64;
        if self.size_bytes.is_some_and(|size| size < self.seen_bytes) {
            let longer = io::Error::new(io::ErrorKind::InvalidData, "more bytes came than were announced");
            return Some(Err(longer));
        }
        if self.is_too_slow() {
            let slow = io::Error::new(io::ErrorKind::TimedOut, "the bytes come too slowly");
            return Some(Err(slow));
        }
        if let Some(client) = &mut self.client
            && client.hold(piece.clone()).await.is_err()
        {
            self.client = None;
        }
        Some(Ok(piece))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;

    struct Given(VecDeque<Bytes>);

    impl Pieces for Given {
        fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<io::Result<Bytes>>> + Send + '_>> {
            let next = self.0.pop_front().map(Ok);
            Box::pin(async move { next })
        }
    }

    fn given(pieces: &[usize]) -> Box<dyn Pieces> {
        let mut pieces = pieces
            .iter()
            .map(|length| Bytes::from(vec![7; *length]))
            .collect::<VecDeque<_>>();
        pieces.push_back(Bytes::from(vec![8; 10]));
        Box::new(Given(pieces))
    }

    async fn drain(tee: &mut Tee) -> io::Result<u64> {
        let mut taken = 0;
        while let Some(piece) = tee.next().await {
            taken += piece?.len() as u64;
        }
        Ok(taken)
    }

    fn received(client: &mut mpsc::Receiver<io::Result<Bytes>>) -> (usize, bool) {
        let (mut bytes, mut broken) = (0, false);
        while let Ok(piece) = client.try_recv() {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(_) => broken = true,
            }
        }
        (bytes, broken)
    }

    #[tokio::test]
    async fn the_last_64_kib_wait_for_the_verdict() {
        let pieces = [100_000, 3, 70_000, 1];
        let size = 100_000 + 3 + 70_000 + 1 + 10;
        for good in [true, false] {
            let (sender, mut client) = mpsc::channel(100);
            let mut tee = Tee::new(given(&pieces), Some(size), Some(sender));
            assert_eq!(drain(&mut tee).await.unwrap(), size);
            let before = usize::try_from(size).unwrap() - WITHHELD_BYTES;
            assert_eq!(received(&mut client), (before, false));
            let reader = tee.end().expect("a client");
            if good {
                assert!(reader.release().await.is_ok());
                assert_eq!(received(&mut client), (WITHHELD_BYTES, false));
            } else {
                reader.break_off().await;
                assert_eq!(received(&mut client), (0, true));
            }
        }
    }

    #[tokio::test]
    async fn another_number_of_bytes_than_announced_is_a_failure() {
        for size in [19, 21] {
            let mut tee = Tee::new(given(&[10]), Some(size), None);
            assert!(drain(&mut tee).await.is_err(), "{size}");
        }
        let mut tee = Tee::new(given(&[10]), Some(20), None);
        assert_eq!(drain(&mut tee).await.unwrap(), 20);
    }

    #[tokio::test]
    async fn the_store_goes_on_without_a_client_that_went_away() {
        let (sender, client) = mpsc::channel(1);
        drop(client);
        let mut tee = Tee::new(given(&[200_000, 200_000]), None, Some(sender));
        assert_eq!(drain(&mut tee).await.unwrap(), 400_010);
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_goes_on_without_a_client_that_is_slow_and_knows_where_it_was() {
        let (sender, mut client) = mpsc::channel(1);
        let mut tee = Tee::new(given(&[200_000, 200_000, 200_000]), None, Some(sender));
        let before = Instant::now();
        assert_eq!(drain(&mut tee).await.unwrap(), 600_010);
        assert_eq!(before.elapsed(), WAITING_MAX);
        let (taken, broken) = received(&mut client);
        let Err(slow) = tee.end().expect("a client").release().await else {
            panic!("it is slow");
        };
        assert_eq!((slow.given_bytes(), broken), (taken as u64, false));
    }

    struct Dripping(u32);

    impl Pieces for Dripping {
        fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<io::Result<Bytes>>> + Send + '_>> {
            self.0 += 1;
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(20)).await;
                Some(Ok(Bytes::from_static(b"drop")))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_drips_is_given_up() {
        let mut tee = Tee::new(Box::new(Dripping(0)), None, None);
        let problem = drain(&mut tee).await.unwrap_err();
        assert_eq!(problem.kind(), io::ErrorKind::TimedOut);
        assert!(tee.begun.elapsed() < PACE_GRACE * 2);
    }
}
