//! S3's documents: what the edge lets through, s3s reads as XML says it.

use super::assert_refusal;
use crate::bucket_tags::split_tags;
use crate::document::checked;
use bytes::Bytes;
use pocket_fuzz::{GUIDED, Mutant, Mutants, check, within_memory};
use s3s::dto::{CompletedMultipartUpload, Delete};
use s3s::xml::{Deserialize, Deserializer};
use std::sync::atomic::{AtomicU64, Ordering};

/// A document, what is left of it, and keys and values of a few bytes each.
const MEMORY_FACTOR: usize = 48;

#[test]
fn tags_are_split_off_once_and_for_all() {
    let seeds = Mutants::blocks(include_str!("seeds/bucket_configurations.xml"));
    check!(10_000, seeds, |mutant: &Mutant| {
        let document = Bytes::copy_from_slice(mutant);
        match within_memory(mutant.len(), MEMORY_FACTOR, || split_tags(&document)) {
            Err(refusal) => assert_refusal(&refusal),
            Ok((rest, tags)) => {
                assert!(rest.len() <= document.len());
                let (same, none) = split_tags(&rest).unwrap();
                assert!(same == rest && none.is_empty(), "{rest:?} has tags still: {none:?} beside {tags:?}");
            }
        }
    });
}

#[test]
fn s3s_reads_in_documents_that_pass_what_xml_says() {
    let seeds = Mutants::blocks(include_str!("seeds/documents.xml"));
    let judged = AtomicU64::new(0);
    check!(20_000, seeds, |mutant: &Mutant| {
        let document = Bytes::copy_from_slice(mutant);
        let plain = match within_memory(mutant.len(), MEMORY_FACTOR, || checked(document)) {
            Ok(plain) => plain,
            Err(refusal) => return assert_refusal(&refusal),
        };
        assert_eq!(checked(plain.clone()).unwrap(), plain);
        // The other reader is stricter in what nobody acts on: attributes, signs that are not XML's.
        if let (Some(read), Some(said)) = (read_by_s3s(&plain), said_by_xml(mutant)) {
            assert_eq!(read, said, "{}", String::from_utf8_lossy(&plain));
            judged.fetch_add(1, Ordering::Relaxed);
        }
    });
    let judged = judged.into_inner();
    assert!(GUIDED || judged > 1_000, "only {judged} documents were held against the other reader");
}

/// Keys that would be deleted, or tags of parts that would be completed, by s3s. `None`: it refuses them.
fn read_by_s3s(document: &[u8]) -> Option<Vec<String>> {
    let mut delete = Deserializer::new(document);
    if let Ok(delete) = Delete::deserialize(&mut delete) {
        return Some(delete.objects.into_iter().map(|object| object.key).collect());
    }
    let mut complete = Deserializer::new(document);
    let parts = CompletedMultipartUpload::deserialize(&mut complete).ok()?.parts.unwrap_or_default();
    Some(parts.into_iter().filter_map(|part| Some(part.e_tag?.value().to_owned())).collect())
}

/// The same by a reader that has nothing to do with either.
fn said_by_xml(document: &[u8]) -> Option<Vec<String>> {
    let document = roxmltree::Document::parse(std::str::from_utf8(document).ok()?).ok()?;
    let root = document.root_element();
    let (name, tag) = match root.tag_name().name() {
        "Delete" => ("Key", false),
        "CompleteMultipartUpload" => ("ETag", true),
        _ => return None,
    };
    let leaves = root.children().flat_map(|child| child.children()).filter(|leaf| leaf.has_tag_name(name));
    let text = |leaf: roxmltree::Node<'_, '_>| -> String {
        leaf.children().filter(|child| child.is_text()).filter_map(|child| child.text()).collect()
    };
    // s3s takes tags with and without quotes.
    let bare = |text: String| match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if tag => inner.to_owned(),
        _ => text,
    };
    Some(leaves.map(text).map(bare).collect())
}
