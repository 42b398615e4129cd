//! Bucket policies: what is taken can be held to, and nothing that an owner denies slips through.

use crate::action::Action;
use crate::facts::Facts;
use crate::facts::tests::{key_of, nobody};
use crate::pattern::Steps;
use crate::policy::{Opinion, POLICY_MAX_BYTES, Policy};
use pocket_api::names::BucketName;
use pocket_fuzz::{GUIDED, Mutant, Mutants, check, within_memory};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// JSON as a tree, and the policy made of it.
const MEMORY_FACTOR: usize = 64;

#[test]
fn policies_that_are_taken_are_bent_by_one_denial() {
    let bucket = BucketName::parse("data").unwrap();
    let (alice, judged) = (key_of("alice"), AtomicU64::new(0));
    check!(10_000, Mutants::blocks(include_str!("seeds/policies.json")), |mutant: &Mutant| {
        let text = mutant.text();
        let policy = match within_memory(text.len(), MEMORY_FACTOR, || Policy::parse(&text, &bucket)) {
            Err(error) => return assert!(!error.to_string().is_empty()),
            Ok(policy) => policy,
        };
        assert!(text.len() <= POLICY_MAX_BYTES);
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let statements = match document["Statement"].take() {
            Value::Array(list) => list,
            one => vec![one],
        };
        let allows = statements.iter().any(|statement| statement["Effect"] == "Allow");
        let denial = json!({
            "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"],
        });
        document["Statement"] = statements.into_iter().chain([denial]).collect();
        let denied = Policy::parse(&document.to_string(), &bucket);
        for (action, resource) in [
            (Action::GetObject, "data/a/b"),
            (Action::PutObject, "data/"),
            (Action::ListBucket, "data"),
            (Action::DeleteBucket, "data"),
        ] {
            for principal in [None, Some(&alice)] {
                let facts = Facts { principal, ..nobody() };
                let opinion = policy.opinion(action, resource, &facts, &mut Steps::new());
                assert!(allows || opinion != Opinion::Allows, "{text}");
                if let Ok(denied) = &denied {
                    assert_eq!(
                        denied.opinion(action, resource, &facts, &mut Steps::new()),
                        Opinion::Denies,
                        "{document}"
                    );
                    judged.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    let judged = judged.into_inner();
    assert!(GUIDED || judged > 1_000, "only {judged} opinions were asked for");
}
