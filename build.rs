//! Recompiles the crate when a migration or a file of the page is added: both folders are read at compile time.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=src/web/files");
}
