//! Hashes bytes as they arrive. The state of a hash can be saved and restored.

use ecru_model::{Digest, DigestAlgorithm};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

/// The encoding of a state depends on the minor version of the `sha2` crate, so the version is stored with
/// each state.
const STATE_VERSION: [u8; 2] = [0, 11];

#[derive(Clone)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Hasher {
        match algorithm {
            DigestAlgorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            DigestAlgorithm::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }

    pub(crate) fn algorithm(&self) -> DigestAlgorithm {
        match self {
            Hasher::Sha256(_) => DigestAlgorithm::Sha256,
            Hasher::Sha512(_) => DigestAlgorithm::Sha512,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of the bytes so far.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Hasher::Sha256(hasher) => Digest::Sha256(hasher.clone().finalize().into()),
            Hasher::Sha512(hasher) => Digest::Sha512(hasher.clone().finalize().into()),
        }
    }

    pub(crate) fn save(&self) -> Vec<u8> {
        let mut state = STATE_VERSION.to_vec();
        match self {
            Hasher::Sha256(hasher) => state.extend_from_slice(&hasher.serialize()),
            Hasher::Sha512(hasher) => state.extend_from_slice(&hasher.serialize()),
        }
        state
    }

    /// Returns `None` if the state is of another version: the bytes must then be hashed again.
    pub(crate) fn restore(algorithm: DigestAlgorithm, state: &[u8]) -> Option<Hasher> {
        let state = state.strip_prefix(&STATE_VERSION)?;
        match algorithm {
            DigestAlgorithm::Sha256 => deserialize(state).map(Hasher::Sha256),
            DigestAlgorithm::Sha512 => deserialize(state).map(Hasher::Sha512),
        }
    }
}

fn deserialize<H: SerializableState>(state: &[u8]) -> Option<H> {
    let state = SerializedState::<H>::try_from(state).ok()?;
    H::deserialize(&state).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALGORITHMS: [DigestAlgorithm; 2] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512];

    proptest! {
        #[test]
        fn a_saved_state_goes_on_where_it_was(before: Vec<u8>, after: Vec<u8>) {
            for algorithm in ALGORITHMS {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&before);
                let mut restored = Hasher::restore(algorithm, &hasher.save()).unwrap();
                restored.update(&after);

                let whole = [before.as_slice(), after.as_slice()].concat();
                prop_assert_eq!(restored.digest(), Digest::computed(algorithm, &whole));
            }
        }
    }

    #[test]
    fn a_state_of_another_version_algorithm_or_length_is_not_taken() {
        for algorithm in ALGORITHMS {
            let state = Hasher::new(algorithm).save();
            let mut other_version = state.clone();
            other_version[1] += 1;

            assert!(Hasher::restore(algorithm, &other_version).is_none());
            assert!(Hasher::restore(algorithm, &state[..state.len() - 1]).is_none());
            assert!(Hasher::restore(algorithm, &[]).is_none());
        }
        let sha256 = Hasher::new(DigestAlgorithm::Sha256).save();
        assert!(Hasher::restore(DigestAlgorithm::Sha512, &sha256).is_none());
    }

    /// Fails when the crate's encoding changes without `STATE_VERSION`, which then must change too.
    #[test]
    fn the_encoding_of_a_state_is_that_of_its_version() {
        let mut hasher = Hasher::new(DigestAlgorithm::Sha256);
        hasher.update(b"abc");
        let state = hasher.save();
        assert_eq!(state.len(), STATE_VERSION.len() + 104);
        insta::assert_snapshot!(Digest::of(&state), @"sha256:9607dcd0f835137d63c56862b3ccb82a47ad58375e671ece55feb348daf3c17e");
    }
}
