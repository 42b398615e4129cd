//! The items of a list, which come beside the typed answer as the text that goes into its document.

use pocket_gateway::context::ListItems;
use s3s::S3Response;
use s3s::dto::{CommonPrefix, Object, ObjectVersion};
use s3s::xml::{DeError, Deserializer};

#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Object>,
    pub(crate) versions: Vec<ObjectVersion>,
    pub(crate) prefixes: Vec<String>,
}

impl Listed {
    pub(crate) fn of<T>(response: &S3Response<T>) -> Self {
        let ListItems(items) = response.extensions.get().expect("a list has items, if none");
        let document = format!("<List>{items}</List>");
        let mut listed = Self::default();
        let mut document = Deserializer::new(document.as_bytes());
        document
            .named_element("List", |list| {
                list.for_each_element(|item, name| {
                    match name {
                        b"Contents" => listed.objects.push(item.content()?),
                        b"Version" => listed.versions.push(item.content()?),
                        b"CommonPrefixes" => {
                            let CommonPrefix { prefix } = item.content()?;
                            listed.prefixes.extend(prefix);
                        }
                        _ => return Err(DeError::UnexpectedTagName),
                    }
                    Ok(())
                })
            })
            .unwrap();
        listed
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let of_objects = self.objects.iter().filter_map(|object| object.key.clone());
        of_objects.chain(self.versions.iter().filter_map(|version| version.key.clone())).collect()
    }
}
