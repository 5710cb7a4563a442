//! Starts that cannot work say what is in the way, and what to do.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::workplace::{Workplace, operate};
use crate::support::app::{StoreKind, TestApp};
use crate::support::ports::free_address;

#[tokio::test]
async fn a_taken_port_is_named_with_its_key() {
    let app = TestApp::embedded().start().await;
    let said = operate(&app, "serve").failed(1);
    let last = said.lines().last().unwrap();
    assert!(last.contains(&format!("cannot listen on {} (server.listen)", app.address)), "{said}");
    let said = operate(&app, &format!("serve --listen {}", free_address())).failed(1);
    let last = said.lines().last().unwrap();
    assert!(last.contains(&format!("{} (server.admin_listen)", app.admin_address)), "{said}");
    assert_eq!(app.get_anonymously("/public").await.status(), 200, "the first one goes on");
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let place = Workplace::new().file("state", "a file is in the way");
    for command in ["serve", "user list"] {
        let said = place.gateward(&format!("{command} --data-dir state/gateward")).failed(1);
        assert!(said.contains("data directory state/gateward: "), "{said}");
    }
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let place = Workplace::on(StoreKind::Embedded);
    place.gateward("user list").ok();
    let key = place.path(".gateward/key-encryption.key");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&key), 0o600);
    assert_eq!(mode(key.parent().unwrap()), 0o700);
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let said = place.gateward("serve").failed(1);
    assert!(said.contains("key-encryption.key") && said.contains("chmod 600"), "{said}");
}

#[test]
fn a_key_file_that_is_gone_is_not_replaced_by_a_new_one() {
    let place = Workplace::on(StoreKind::Embedded);
    place.gateward("user list").ok();
    std::fs::remove_file(place.path(".gateward/key-encryption.key")).unwrap();
    let said = place.gateward("serve").failed(1);
    assert!(said.contains("key"), "{said}");
}

/// Who closes the database last deletes its write-ahead log, and finds out by asking for this lock (SQLite before
/// 3.51 by nothing else). A program that has let go of it goes on committing to a log that is gone.
#[tokio::test]
async fn a_backup_beside_the_running_program_does_not_take_itself_for_the_last_one() {
    let mut app = TestApp::embedded().start().await;
    let database = app.working_dir().join(".gateward/gateward.db");
    for start in ["a new file", "one that is there"] {
        // The bytes that SQLite's shared lock covers (its file os.h: SHARED_FIRST, SHARED_SIZE).
        let mut lock = libc::flock {
            l_type: libc::F_WRLCK.try_into().unwrap(),
            l_whence: libc::SEEK_SET.try_into().unwrap(),
            l_start: 0x4000_0002,
            l_len: 510,
            l_pid: 0,
        };
        fcntl(File::open(&database).unwrap(), FcntlArg::F_GETLK(&mut lock)).unwrap();
        assert_eq!(u32::try_from(lock.l_pid), Ok(app.pid()), "{start}: nobody holds it");
        app.restart().await;
    }
}
