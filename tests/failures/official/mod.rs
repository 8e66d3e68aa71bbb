//! What NordPass's official connector for Sentinel gets wrong, by the numbers of our list of its defects.

mod connector;
mod cursor;
mod paging;
mod rows;
mod shared;
mod takeover;
mod transport;
