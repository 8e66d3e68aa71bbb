//! Sources: where events come from. One file or folder and one line each.

mod budget;
mod delivery;
mod in_flight;
pub mod omitted;
pub mod recording;
pub mod recording_file;
pub mod replay;
mod retry;

use crate::component::components;

components! { Source:
    nordpass,
    file,
    stdin,
    generate,
    health,
    kafka,
}
