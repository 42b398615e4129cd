//! GET and DELETE of the settings of buckets. What nobody can make here has a constant document, or none.

use super::{Head, Wire, done};
use crate::allow_list::SettingRule;
use crate::answer::{Body, xml_answer};
use crate::calls::{
    BucketSetting, DeleteBucketSetting, GetBucketSetting, Many, Removable, Setting, Unmade, Which,
};
use crate::documents::{acl, cors, ownership_controls, public_access_block, tagging, write_text};
use crate::errors::s3;
use crate::metrics::Counted;
use crate::operation::Operation;
use crate::payload_stream::Unread;
use crate::xml::DECLARATION;
use http::{Response, StatusCode};
use pocket_access::refusal::{ErrorCode, Refusal};

impl Wire for GetBucketSetting {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let setting = match SettingRule::of(head.query).ok_or_else(no_setting)?.setting {
            Setting::Many(many, _) if head.query.has("id") => Setting::Many(many, Which::One),
            setting => setting,
        };
        Ok((Self { bucket: head.bucket()?, setting }, ()))
    }

    fn write(setting: BucketSetting, (): ()) -> Response<Body> {
        match setting {
            BucketSetting::Acl(list) => acl::shown(&list),
            BucketSetting::Cors(cors) => cors::shown(&cors),
            BucketSetting::Lifecycle(document) => document.shown(),
            BucketSetting::OwnershipControls(ownership) => ownership_controls::shown(ownership),
            BucketSetting::Policy(policy) => Response::new(Body::from(policy.to_string())),
            BucketSetting::PolicyStatus { is_public } => xml_answer(format!(
                "{DECLARATION}<PolicyStatus><IsPublic>{is_public}</IsPublic></PolicyStatus>"
            )),
            BucketSetting::PublicAccessBlock(block) => public_access_block::shown(block),
            BucketSetting::Tagging(tags) => tagging::shown(&tags),
            BucketSetting::Unmade(setting) => unmade(setting),
        }
    }

    fn counted((): &()) -> Counted {
        Counted::GetBucketSetting
    }
}

impl Wire for DeleteBucketSetting {
    type Shown = Removable;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, Removable), Refusal> {
        let setting = match head.operation {
            Operation::DeleteBucketCors => Removable::Cors,
            Operation::DeleteBucketLifecycle => Removable::Lifecycle,
            Operation::DeleteBucketOwnershipControls => Removable::OwnershipControls,
            Operation::DeleteBucketPolicy => Removable::Policy,
            Operation::DeletePublicAccessBlock => Removable::PublicAccessBlock,
            Operation::DeleteBucketTagging => Removable::Tagging,
            _ => return Err(no_setting()),
        };
        Ok((Self { bucket: head.bucket()?, setting }, setting))
    }

    fn write((): (), _: Removable) -> Response<Body> {
        done(StatusCode::NO_CONTENT, false)
    }

    fn counted(setting: &Removable) -> Counted {
        match setting {
            Removable::Cors => Counted::DeleteBucketCors,
            Removable::Lifecycle => Counted::DeleteBucketLifecycle,
            Removable::OwnershipControls => Counted::DeleteBucketOwnershipControls,
            Removable::Policy => Counted::DeleteBucketPolicy,
            Removable::PublicAccessBlock => Counted::DeletePublicAccessBlock,
            Removable::Tagging => Counted::DeleteBucketTagging,
        }
    }
}

/// The request would be another operation.
fn no_setting() -> Refusal {
    s3(ErrorCode::InvalidRequest, "the request names no setting of a bucket")
}

fn unmade(setting: Unmade) -> Response<Body> {
    const NO_MORE: &str = "<IsTruncated>false</IsTruncated>";
    let (root, inside) = match setting {
        Unmade::Accelerate => ("AccelerateConfiguration", ""),
        Unmade::Logging => ("BucketLoggingStatus", ""),
        Unmade::NoneOf(Many::Analytics) => ("ListBucketAnalyticsConfigurationResult", NO_MORE),
        Unmade::NoneOf(Many::IntelligentTiering) => {
            ("ListBucketIntelligentTieringConfigurationsOutput", NO_MORE)
        }
        Unmade::NoneOf(Many::Inventory) => ("ListInventoryConfigurationsResult", NO_MORE),
        Unmade::NoneOf(Many::Metrics) => ("ListMetricsConfigurationsResult", NO_MORE),
        Unmade::Notification => ("NotificationConfiguration", ""),
        Unmade::RequestPayment => ("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
        Unmade::Versioning => ("VersioningConfiguration", ""),
    };
    write_text(root, inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allow_list::SETTINGS;
    use crate::query::Query;
    use http::HeaderMap;
    use pocket_api::names::BucketName;

    fn read<I: Wire>(operation: Operation, query: &str) -> Result<I, Refusal> {
        let (query, headers) = (Query::parse(query).unwrap(), HeaderMap::new());
        let bucket = Some(BucketName::parse("bucket").unwrap());
        let mut head = Head::of(operation, bucket, &headers, &query);
        I::read(&mut head, Unread::none()).map(|(input, _)| input)
    }

    #[test]
    fn a_setting_is_asked_for_by_its_name_and_one_of_many_by_its_id() {
        let asked =
            |query: &str| read::<GetBucketSetting>(Operation::GetBucketSetting, query).unwrap().setting;
        for rule in SETTINGS {
            assert_eq!(asked(&format!("x-id=GetSetting&{}=", rule.name)), rule.setting);
            let by_id = match rule.setting {
                Setting::Many(many, _) => Setting::Many(many, Which::One),
                setting => setting,
            };
            assert_eq!(asked(&format!("{}&id=1", rule.name)), by_id);
        }
        assert!(read::<GetBucketSetting>(Operation::GetBucketSetting, "location").is_err());
    }

    #[test]
    fn what_can_be_taken_away_is_told_apart_by_the_operation() {
        let mut removable = Vec::new();
        for operation in SETTINGS.iter().filter_map(|rule| rule.delete) {
            let setting = read::<DeleteBucketSetting>(operation, "").unwrap().setting;
            assert!(!removable.contains(&setting), "{setting:?} twice");
            removable.push(setting);
        }
        assert_eq!(removable.len(), 6);
        assert!(read::<DeleteBucketSetting>(Operation::DeleteBucket, "").is_err());
    }

    #[test]
    fn settings_that_nobody_can_make_are_shown_as_s3_shows_them() {
        let more = "<IsTruncated>false</IsTruncated>";
        for (setting, root, inside) in [
            (Unmade::Accelerate, "AccelerateConfiguration", ""),
            (Unmade::Logging, "BucketLoggingStatus", ""),
            (Unmade::NoneOf(Many::Analytics), "ListBucketAnalyticsConfigurationResult", more),
            (
                Unmade::NoneOf(Many::IntelligentTiering),
                "ListBucketIntelligentTieringConfigurationsOutput",
                more,
            ),
            (Unmade::NoneOf(Many::Inventory), "ListInventoryConfigurationsResult", more),
            (Unmade::NoneOf(Many::Metrics), "ListMetricsConfigurationsResult", more),
            (Unmade::Notification, "NotificationConfiguration", ""),
            (Unmade::RequestPayment, "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
            (Unmade::Versioning, "VersioningConfiguration", ""),
        ] {
            let answer = GetBucketSetting::write(BucketSetting::Unmade(setting), ());
            let expected = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                 <{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</{root}>"
            );
            assert_eq!(answer.body().bytes().unwrap(), expected, "{setting:?}");
        }
        let answer = GetBucketSetting::write(BucketSetting::PolicyStatus { is_public: true }, ());
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                        <PolicyStatus><IsPublic>true</IsPublic></PolicyStatus>";
        assert_eq!(answer.body().bytes().unwrap(), expected);
    }
}
