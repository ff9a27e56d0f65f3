//! Archives: zip, tar and tar.gz, read entry by entry with a bound on each.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Component, Path};

use anyhow::Context as _;
use flate2::read::GzDecoder;

/// More entries than this are refused: the listing itself would be the attack.
const MAX_ENTRIES: usize = 1_000_000;

/// One file of an archive.
pub struct Entry {
    /// Path inside the archive, as written there; a name, never a place on our disk.
    pub path: String,
    /// The bytes; cut one byte over the bound, which is enough to see that they are too many.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// The folder that the file lies in: the class, when the upload names none.
    pub fn folder(&self) -> Option<&str> {
        let parent = Path::new(&self.path).parent()?;
        match parent.components().next_back()? {
            Component::Normal(name) => name.to_str(),
            _ => None,
        }
    }
}

enum Kind {
    Zip,
    Tar,
    TarGz,
}

fn sniff(file: &mut File) -> anyhow::Result<Kind> {
    let mut head = [0; 262];
    let mut read = 0;
    while read < head.len() {
        match file.read(&mut head[read..])? {
            0 => break,
            n => read += n,
        }
    }
    file.rewind()?;
    match &head[..read] {
        [b'P', b'K', 3 | 5, ..] => Ok(Kind::Zip),
        [0x1f, 0x8b, ..] => Ok(Kind::TarGz),
        head if head.get(257..262) == Some(b"ustar") => Ok(Kind::Tar),
        _ => anyhow::bail!("the upload is neither zip nor tar nor tar.gz"),
    }
}

/// Whether an entry is a file that a person put there.
fn wanted(path: &str) -> bool {
    let hidden = |part: &str| part.starts_with('.') || part == "__MACOSX";
    !path.ends_with('/') && !path.split('/').any(hidden)
}

/// How many files the archive holds.
pub fn count(path: &Path) -> anyhow::Result<usize> {
    let mut files = 0;
    walk(path, 0, &mut |_, _| {
        files += 1;
        Ok(true)
    })?;
    Ok(files)
}

/// Calls `visit` with the files behind the first `skip` ones, in the archive's order, each with at most
/// `max_bytes` + 1 bytes, until it answers false.
pub fn read(
    path: &Path,
    skip: usize,
    max_bytes: u64,
    mut visit: impl FnMut(Entry) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    walk(path, skip, &mut |name, reader| {
        let mut bytes = Vec::new();
        reader.take(max_bytes + 1).read_to_end(&mut bytes)?;
        // A NUL is a name that no table can hold.
        visit(Entry { path: name.replace('\0', "\u{fffd}"), bytes })
    })
}

type Visit<'a> = dyn FnMut(String, &mut dyn Read) -> anyhow::Result<bool> + 'a;

fn walk(path: &Path, skip: usize, visit: &mut Visit<'_>) -> anyhow::Result<()> {
    let mut file = File::open(path)?;
    match sniff(&mut file)? {
        Kind::Zip => walk_zip(file, skip, visit),
        Kind::Tar => walk_tar(BufReader::new(file), skip, visit),
        Kind::TarGz => walk_tar(BufReader::new(GzDecoder::new(file)), skip, visit),
    }
}

fn walk_zip(file: File, skip: usize, visit: &mut Visit<'_>) -> anyhow::Result<()> {
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).context("the zip is damaged")?;
    anyhow::ensure!(archive.len() <= MAX_ENTRIES, "the archive has over {MAX_ENTRIES} entries");
    let mut seen = 0;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).context("the zip is damaged")?;
        let name = entry.name().to_owned();
        if !entry.is_file() || !wanted(&name) {
            continue;
        }
        seen += 1;
        if seen > skip && !visit(name, &mut entry)? {
            break;
        }
    }
    Ok(())
}

fn walk_tar(reader: impl Read, skip: usize, visit: &mut Visit<'_>) -> anyhow::Result<()> {
    let mut archive = tar::Archive::new(reader);
    let mut seen = 0;
    for (index, entry) in archive.entries().context("the tar is damaged")?.enumerate() {
        anyhow::ensure!(index < MAX_ENTRIES, "the archive has over {MAX_ENTRIES} entries");
        let mut entry = entry.context("the tar is damaged")?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() || !wanted(&name) {
            continue;
        }
        seen += 1;
        if seen > skip && !visit(name, &mut entry)? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(path: &Path, skip: usize) -> Vec<(String, usize)> {
        let mut seen = Vec::new();
        read(path, skip, 4, |entry| {
            seen.push((entry.path.clone(), entry.bytes.len()));
            Ok(true)
        })
        .unwrap();
        seen
    }

    fn zip_of(entries: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        file
    }

    #[test]
    fn a_zip_gives_its_files_in_order_and_skips_what_is_settled() {
        let file = zip_of(&[("a/1.png", b"12"), ("__MACOSX/x", b"1"), ("b/2.png", b"123456")]);
        assert_eq!(count(file.path()).unwrap(), 2);
        assert_eq!(names(file.path(), 0), [("a/1.png".into(), 2), ("b/2.png".into(), 5)]);
        assert_eq!(names(file.path(), 1), [("b/2.png".into(), 5)]);
    }

    #[test]
    fn a_tar_gz_is_read_like_a_tar() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let gz = flate2::write::GzEncoder::new(file.reopen().unwrap(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gz);
        let mut header = tar::Header::new_ustar();
        header.set_size(3);
        header.set_cksum();
        tar.append_data(&mut header, "ship/x.jpg", &b"abc"[..]).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        assert_eq!(names(file.path(), 0), [("ship/x.jpg".into(), 3)]);
    }

    #[test]
    fn the_folder_of_a_path_never_leaves_the_archive() {
        let folder =
            |path: &str| Entry { path: path.into(), bytes: Vec::new() }.folder().map(str::to_owned);
        assert_eq!(folder("train/cat/1.png").as_deref(), Some("cat"));
        assert_eq!(folder("1.png"), None);
        assert_eq!(folder("cat/../1.png"), None);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"hello").unwrap();
        assert!(count(file.path()).is_err());
    }
}
