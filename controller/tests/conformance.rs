//! The controller keeps the promises of its seams.

use pocket_api::conformance::control::{Seams, suite};
use pocket_api::env::Env;
use pocket_controller::{Controller, ControllerConfig};

#[tokio::test]
async fn a_controller_in_memory_keeps_the_promises_of_control() {
    suite(async |directory, clock| {
        let controller =
            Controller::start(ControllerConfig::default(), directory, Env::with_clock(clock)).unwrap();
        Seams { control: controller.clone(), usage: controller.clone(), carried: controller }
    })
    .await;
}

#[tokio::test]
async fn a_controller_with_a_state_file_keeps_the_promises_of_control() {
    let folder = tempfile::tempdir().unwrap();
    let files = std::sync::atomic::AtomicU32::new(0);
    suite(async |directory, clock| {
        let file = files.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let state_file = Some(folder.path().join(format!("state-{file}.json")));
        let config = ControllerConfig { state_file, ..ControllerConfig::default() };
        let controller = Controller::start(config, directory, Env::with_clock(clock)).unwrap();
        Seams { control: controller.clone(), usage: controller.clone(), carried: controller }
    })
    .await;
}
