//! Announcements of a transaction.

use super::*;

const TOPIC: Topic = Topic::new(0);
const OTHER: Topic = Topic::new(7);

#[tokio::test]
async fn watchers_hear_of_a_topic_when_it_is_committed_and_never_otherwise() {
    let fixture = Fixture::new().await;
    let (heard, other) = (fixture.store.watch(TOPIC), fixture.store.watch(OTHER));

    let refused = fixture.store.write(|tx| {
        tx.announce(TOPIC);
        Err::<(), _>(StoreError::damaged("as the test wants it"))
    });
    assert!(refused.await.is_err());
    assert!(!heard.has_changed().unwrap());

    let told = fixture.store.write(|tx| {
        tx.announce(TOPIC);
        Ok::<_, StoreError>(())
    });
    told.await.unwrap();
    // The announcement follows the answer. A later write follows both.
    fixture.store.write(|_| Ok::<_, StoreError>(())).await.unwrap();
    assert!(heard.has_changed().unwrap());
    assert!(!other.has_changed().unwrap());
}
