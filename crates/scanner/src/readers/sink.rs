//! Collects the packages of one file. Each is counted before it is kept.

use crate::error::Carried;
use crate::limits::Budget;
use crate::package::Package;

pub(crate) struct Sink<'b> {
    budget: &'b Budget,
    packages: Vec<Package>,
}

impl<'b> Sink<'b> {
    pub(super) fn new(budget: &'b Budget) -> Self {
        Self {
            budget,
            packages: Vec::new(),
        }
    }

    /// The budget outlives the sink: readers of a database count their reads there.
    pub(super) fn budget(&self) -> &'b Budget {
        self.budget
    }

    /// Keeps the package of a record, if there is one.
    pub(super) fn take(&mut self, package: Option<Package>) -> Result<(), Carried> {
        self.budget.check()?;
        let Some(package) = package else {
            return Ok(());
        };
        self.budget.package(&package)?;
        self.packages.push(package);
        Ok(())
    }

    /// The number of packages kept.
    pub(super) fn count(&self) -> usize {
        self.packages.len()
    }

    /// Removes the packages in a range of counts.
    pub(super) fn forget(&mut self, from: usize, to: usize) {
        let to = to.min(self.packages.len());
        for package in self.packages.drain(from.min(to)..to) {
            self.budget.release(&package);
        }
    }

    /// Returns the packages, unless a limit was exceeded: a reader may have mistaken that for a fault of its
    /// file.
    pub(super) fn finish(self) -> Result<Vec<Package>, Carried> {
        self.budget.check()?;
        Ok(self.packages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Limit;
    use crate::limits::Limits;
    use crate::package::Manager;

    fn package(name: &str) -> Option<Package> {
        Package::named(Manager::Go, name, "1")
    }

    #[test]
    fn packages_beyond_the_budget_are_not_kept() {
        let budget = Budget::new(Limits {
            packages_max: 2,
            ..Limits::default()
        });
        let mut sink = Sink::new(&budget);
        assert!(
            sink.take(package("a")).is_ok() && sink.take(None).is_ok() && sink.take(package("b")).is_ok()
        );
        for _ in 0..1_000 {
            assert!(matches!(
                sink.take(package("c")),
                Err(Carried::Limit(Limit::Packages))
            ));
        }
        assert_eq!((sink.count(), budget.spent().packages), (2, 3));
        assert!(sink.finish().is_err());
    }

    #[test]
    fn bytes_beyond_the_budget_are_not_kept() {
        let budget = Budget::new(Limits {
            kept_bytes_max: 10_000,
            ..Limits::default()
        });
        let mut sink = Sink::new(&budget);
        let name = "a".repeat(500);
        while sink.take(package(&name)).is_ok() {}
        assert!((10..=20).contains(&sink.count()));
        assert!(matches!(sink.finish(), Err(Carried::Limit(Limit::KeptBytes))));
    }

    #[test]
    fn packages_that_are_forgotten_cost_nothing() {
        let budget = Budget::new(Limits::default());
        let mut sink = Sink::new(&budget);
        for name in ["a", "b", "c", "d"] {
            sink.take(package(name)).unwrap();
        }
        sink.forget(1, 3);
        let names: Vec<_> = sink.packages.iter().map(Package::name).collect();
        assert_eq!(names, ["a", "d"]);
        assert_eq!(budget.spent().packages, 2);
        sink.forget(0, 9);
        assert_eq!((budget.spent().packages, budget.spent().kept_bytes), (0, 0));
    }
}
