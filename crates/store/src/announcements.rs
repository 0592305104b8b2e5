//! Topics: watchers of a topic wake when a transaction that announced it is committed, and at no other time.

use tokio::sync::watch;

const TOPIC_COUNT: usize = 8;

/// An event that callers wait for. The crates above the store define the topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic(u8);

impl Topic {
    /// There are eight, numbered from zero.
    pub const fn new(number: u8) -> Topic {
        assert!((number as usize) < TOPIC_COUNT, "there are eight topics");
        Topic(number)
    }
}

/// A set of topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topics(u8);

impl Topics {
    pub(crate) fn with(self, topic: Topic) -> Topics {
        Topics(self.0 | 1 << topic.0)
    }

    pub(crate) fn and(self, other: Topics) -> Topics {
        Topics(self.0 | other.0)
    }

    fn contains(self, topic: Topic) -> bool {
        self.0 & 1 << topic.0 != 0
    }
}

/// The watchers of each topic.
pub(crate) struct Announcements([(Topic, watch::Sender<()>); TOPIC_COUNT]);

impl Default for Announcements {
    fn default() -> Announcements {
        Announcements([0, 1, 2, 3, 4, 5, 6, 7].map(|number| (Topic(number), watch::Sender::default())))
    }
}

impl Announcements {
    pub(crate) fn publish(&self, topics: Topics) {
        for (topic, watchers) in &self.0 {
            if topics.contains(*topic) {
                watchers.send_replace(());
            }
        }
    }

    pub(crate) fn watch(&self, topic: Topic) -> watch::Receiver<()> {
        let watched = self.0.iter().find(|(known, _)| *known == topic);
        #[expect(
            clippy::expect_used,
            reason = "a topic is made by `Topic::new`, which knows its bounds"
        )]
        let (_, watchers) = watched.expect("every topic has its place");
        watchers.subscribe()
    }
}
