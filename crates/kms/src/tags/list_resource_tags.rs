//! `ListResourceTags`: the tags of a key, in the order of their names.

use ecru_platform::paging::{self, Filling};
use ecru_store::{Value, stored};

use crate::generated::shapes::{
    ListResourceTagsInput as Input, ListResourceTagsOutput as Output, Tag, TagKeyType, TagValueType,
};
use crate::records::key::place;
use crate::records::listing::{after, answer, limit, listing};
use crate::{Context, Error};

pub(crate) async fn list_resource_tags(ctx: &Context, input: Input) -> Result<Output, Error> {
    let request = ctx.request("ListResourceTags");
    let listing = listing(ctx, &request, input.key_id.as_str(), String::new());
    let after = after(&listing, input.marker.as_ref())?;
    let limit = limit(input.limit);
    let page = paging::read(&ctx.store, limit, {
        let (request, name) = (request.clone(), input.key_id.clone());
        move |at, room| {
            let key = request.key_by_id(at, name.as_str())?;
            let mut filling = Filling::new(room);
            let [account, region, id] = place(&key.scope, &key.id);
            at.each(
                "SELECT name, value FROM kms_tags
                 WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND name > ?4 ORDER BY name",
                &[account, region, id, Value::Text(&after)],
                &mut |row| {
                    let (name, value) = (row.text(0)?, row.text(1)?);
                    let tag = Tag {
                        tag_key: stored(TagKeyType::parse(name))?,
                        tag_value: stored(TagValueType::parse(value))?,
                    };
                    Ok(filling.push(name.len() + value.len(), tag))
                },
            )?;
            Ok::<_, Error>(filling.page_by(|tag: &Tag| tag.tag_key.as_str().to_owned()))
        }
    })
    .await?;
    let (tags, next_marker, truncated) = answer(&listing, page)?;
    Ok(Output {
        tags: Some(tags),
        next_marker,
        truncated: Some(truncated),
    })
}
