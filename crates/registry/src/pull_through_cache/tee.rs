//! Bytes on their way to two places: to the store, and to a client who gets the last of them once they are verified.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use ecru_store::ByteSource;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Pieces;

/// What a client does not get before digest and size agree.
pub(super) const WITHHELD_BYTES: usize = 64 * 1024;
/// How long a client may take nothing before the store goes on without it.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Tee {
    pieces: Box<dyn Pieces>,
    /// What the upstream announced.
    size_bytes: Option<u64>,
    seen_bytes: u64,
    withheld: VecDeque<Bytes>,
    withheld_bytes: usize,
    /// None once it has gone away.
    client: Option<mpsc::Sender<io::Result<Bytes>>>,
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
            withheld: VecDeque::new(),
            withheld_bytes: 0,
            client,
        }
    }

    /// Gives the client the rest, which is as it should be.
    pub(super) async fn release(mut self) {
        while let Some(piece) = self.withheld.pop_front() {
            self.give(piece).await;
        }
    }

    /// Cuts the client off.
    pub(super) async fn break_off(mut self) {
        if let Some(client) = self.client.take() {
            let broken = io::Error::new(io::ErrorKind::InvalidData, "the upstream sent another blob");
            // Who takes nothing any more is cut off by the end of the channel.
            let _ = timeout(PATIENCE, client.send(Err(broken))).await;
        }
    }

    async fn hold(&mut self, piece: Bytes) {
        if self.client.is_none() {
            return;
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
            self.give(given).await;
        }
    }

    async fn give(&mut self, piece: Bytes) {
        let Some(client) = &self.client else { return };
        if !matches!(timeout(PATIENCE, client.send(Ok(piece))).await, Ok(Ok(()))) {
            self.client = None;
            self.withheld.clear();
            self.withheld_bytes = 0;
        }
    }
}

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
        self.hold(piece.clone()).await;
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
            if good {
                tee.release().await;
                assert_eq!(received(&mut client), (WITHHELD_BYTES, false));
            } else {
                tee.break_off().await;
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
}
