//! A disk that refuses: nothing is asked of a CA, it is told, and it goes on by itself when the disk does.

use std::fs;

use vestibule_acme::{Event, FailureKind};

use crate::house::{House, test};

#[test]
fn without_its_disk_nothing_is_ordered_and_with_it_again_everything_is() {
    test(async {
        let house = House::new();
        let mut run = house.start();
        let (store, away) = (house.certs().join("acme"), house.certs().join("away"));
        fs::rename(&store, &away).unwrap();
        run.want("a", 1, &["a.example.com"]);
        run.handle.ready();
        let Event::Failed { failure, .. } = run.event().await else { panic!("a failure") };
        assert_eq!((failure.kind, house.ca.orders()), (FailureKind::Storage, 0));
        fs::rename(&away, &store).unwrap();
        let mut failures = 0;
        while let Event::Failed { .. } = run.event().await {
            failures += 1;
            assert!(failures < 100);
        }
        assert_eq!(house.ca.certificates().into_values().collect::<Vec<_>>(), [1]);
        run.stop().await;
    });
}
