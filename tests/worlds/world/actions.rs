//! What happens to a world at a time, and how everything works again at last.

use std::time::Duration;

use super::{Settling, World};
use crate::pipeline;
use crate::plan::{Action, Host};

impl World {
    pub(super) fn act(&mut self, action: &Action) {
        let tokens = &self.entra.tokens;
        match action {
            Action::Crash | Action::Restart | Action::Reload(_) => {}
            Action::CrashAtDisk(number) => self.disk.go_down_at(*number),
            Action::CrashAtRequest(number, taken) => self.network.go_down_at(*number, *taken),
            Action::PanicAtRequest(number, taken) => self.network.panic_at(*number, *taken),
            Action::Revoke => self.nordpass.set_token(None),
            Action::Unrevoke => self.nordpass.set_token(Some(&self.plan.api.token)),
            Action::Forbid => self.ingestion.set_forbidden(true),
            Action::Allow => self.ingestion.set_forbidden(false),
            Action::Cut(host) => self.wires.cut(pipeline::host(*host)),
            Action::Restore(host) => self.wires.restore(pipeline::host(*host)),
            Action::RefuseSecret => self.entra.set_secret("another"),
            Action::AcceptSecret => self.entra.set_secret(&self.entra.settings.client_secret),
            Action::ExpireTokens => tokens.revoke_all(),
            Action::DiskFull => {
                self.disk_trouble = true;
                let used: usize =
                    self.disk.paths().iter().filter_map(|path| self.disk.content(path)).map(|c| c.len()).sum();
                self.disk.set_capacity(Some(used as u64 + 200));
            }
            Action::DiskRoom => self.disk.set_capacity(None),
            Action::DiskFails(number, kind) => {
                self.disk_trouble = true;
                self.disk.fail(0..*number, *kind);
            }
            Action::ReadsFail(number) => {
                self.disk_trouble = true;
                self.disk.fail_next_reads(*number, std::io::ErrorKind::Other);
            }
            Action::Jump(by) => self.clock.jump(*by),
            Action::ExpireBlocks => self.blobs.expire_blocks(),
        }
    }

    pub(super) fn everything_works_again(&mut self) {
        self.lives.faults = self.faults.happened();
        self.faults.clear();
        self.nordpass.set_token(Some(&self.plan.api.token));
        self.ingestion.set_forbidden(false);
        for host in [Host::Nordpass, Host::Entra, Host::Ingestion, Host::Second, Host::Receiver, Host::Blobs] {
            self.wires.restore(pipeline::host(host));
        }
        self.entra.set_secret(&self.entra.settings.client_secret);
        self.disk.set_capacity(None);
        self.disk.fail(0..0, std::io::ErrorKind::Other);
        self.disk.fail_next_reads(0, std::io::ErrorKind::Other);
        self.disk_trouble = false;
        self.network.spare();
        self.clock.set_right();
        self.done = self.plan.actions.len();
        self.settling = Some(Settling { step: Duration::from_secs(30), arrived: false });
    }
}
