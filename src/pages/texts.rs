//! The page's texts.

use std::{borrow::Cow, time::Duration};

use crate::session::EndReason;

/// The texts of the page, to be translated by overriding them. The defaults are English.
///
/// They are put into the page as text: markup in them is escaped.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
/// use tower_device_sessions::pages::PageTexts;
///
/// struct German;
///
/// impl PageTexts for German {
///     fn language(&self) -> Cow<'_, str> {
///         "de".into()
///     }
///
///     fn title(&self) -> Cow<'_, str> {
///         "Meine Geräte".into()
///     }
///
///     // and so on
/// }
/// ```
pub trait PageTexts: Send + Sync + 'static {
    /// The language of the texts, as a BCP 47 tag.
    fn language(&self) -> Cow<'_, str> {
        "en".into()
    }

    /// The page's title.
    fn title(&self) -> Cow<'_, str> {
        "My devices".into()
    }

    /// What the page is for, in a sentence.
    fn lead(&self) -> Cow<'_, str> {
        "This is where you are signed in. Sign out any device that you do not know or no longer use.".into()
    }

    /// The heading of the current session.
    fn this_device(&self) -> Cow<'_, str> {
        "This device".into()
    }

    /// The heading of the other sessions.
    fn other_devices(&self) -> Cow<'_, str> {
        "Other devices".into()
    }

    /// What stands there when there are none.
    fn no_other_devices(&self) -> Cow<'_, str> {
        "You are not signed in anywhere else.".into()
    }

    /// The heading of the sessions that ended recently.
    fn recently_signed_out(&self) -> Cow<'_, str> {
        "Recently signed out".into()
    }

    /// Of a session that is in use at this moment.
    fn active_now(&self) -> Cow<'_, str> {
        "Active now".into()
    }

    /// When a session was active last, if that is not now.
    fn last_active(&self, before: Duration) -> Cow<'_, str> {
        format!("Active {}", self.ago(before)).into()
    }

    /// Before the moment of the sign-in.
    fn signed_in(&self) -> Cow<'_, str> {
        "Signed in".into()
    }

    /// How long ago something was.
    fn ago(&self, duration: Duration) -> Cow<'_, str> {
        let seconds = duration.as_secs();
        let (count, unit) = match seconds {
            0..60 => return "just now".into(),
            60..3_600 => (seconds / 60, "minute"),
            3_600..86_400 => (seconds / 3_600, "hour"),
            _ => (seconds / 86_400, "day"),
        };
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {unit}{plural} ago").into()
    }

    /// On the button that signs a device out.
    fn sign_out(&self) -> Cow<'_, str> {
        "Sign out".into()
    }

    /// On the button that signs all other devices out.
    fn sign_out_others(&self) -> Cow<'_, str> {
        "Sign out all other devices".into()
    }

    /// What it means, before it is done.
    fn sign_out_others_question(&self) -> Cow<'_, str> {
        "You stay signed in here, and have to sign in again everywhere else.".into()
    }

    /// On what goes back without doing anything.
    fn cancel(&self) -> Cow<'_, str> {
        "Cancel".into()
    }

    /// On what opens the form for a new name.
    fn rename(&self) -> Cow<'_, str> {
        "Rename".into()
    }

    /// Of the field for a device's name.
    fn device_name(&self) -> Cow<'_, str> {
        "Name of the device".into()
    }

    /// On the button that saves a name.
    fn save(&self) -> Cow<'_, str> {
        "Save".into()
    }

    /// On the link back to the first page of a long list.
    fn first_page(&self) -> Cow<'_, str> {
        "Back to the first devices".into()
    }

    /// On the link to the next page of a long list.
    fn more(&self) -> Cow<'_, str> {
        "More devices".into()
    }

    /// After a device was signed out.
    fn was_signed_out(&self) -> Cow<'_, str> {
        "The device was signed out.".into()
    }

    /// After all others were signed out.
    fn others_were_signed_out(&self) -> Cow<'_, str> {
        "All other devices were signed out.".into()
    }

    /// After a device was renamed.
    fn was_renamed(&self) -> Cow<'_, str> {
        "The name was saved.".into()
    }

    /// When a name cannot be one.
    fn bad_name(&self) -> Cow<'_, str> {
        "A name has 1 to 80 visible characters. Leave it empty to go back to the usual name.".into()
    }

    /// When there is no such device any more.
    fn no_such_device(&self) -> Cow<'_, str> {
        "There is no such device.".into()
    }

    /// When the page does not know what a request is to do.
    fn not_possible(&self) -> Cow<'_, str> {
        "That is not possible here.".into()
    }

    /// When the store could not be asked.
    fn unavailable(&self) -> Cow<'_, str> {
        "Your devices cannot be shown at the moment. Nothing was changed; please try again.".into()
    }

    /// On the link that asks once more.
    fn try_again(&self) -> Cow<'_, str> {
        "Try again".into()
    }

    /// When another site has caused a request, or may have.
    fn foreign_request(&self) -> Cow<'_, str> {
        "That came from another site, and was refused. Nothing was changed.".into()
    }

    /// When a request's cookies contradict each other.
    fn unreadable_request(&self) -> Cow<'_, str> {
        "Your browser sent something that could not be understood. Delete this site's cookies, and sign in again."
            .into()
    }

    /// On the sign-in form, when the policy asks for it before other sessions are ended.
    fn confirm_first(&self) -> Cow<'_, str> {
        "Please confirm that it is you. Then you can sign out your other devices.".into()
    }

    /// On the sign-in form, when the visitor's session has ended.
    fn sign_in_again(&self, reason: EndReason) -> Cow<'_, str> {
        match reason {
            EndReason::SignedOut => "You are signed out.",
            EndReason::RevokedByUser => "You were signed out from another device.",
            EndReason::RevokedByAdmin => "You were signed out by an administrator.",
            EndReason::Evicted => "You were signed out here because you signed in on other devices.",
            EndReason::Replaced => "You were signed out here because you signed in again.",
            EndReason::Idle => "You were signed out because you were away for a while.",
            EndReason::Expired => "Your session has expired. Please sign in again.",
            EndReason::CredentialsChanged => "Your password was changed. Please sign in again.",
            EndReason::RefreshReused => "You were signed out for your safety. Please sign in again.",
            EndReason::Policy => "You were signed out by a security policy.",
        }
        .into()
    }

    /// Why a session ended, in the list of those that did.
    fn reason(&self, reason: EndReason) -> Cow<'_, str> {
        match reason {
            EndReason::SignedOut => "Signed out",
            EndReason::RevokedByUser => "Signed out from another device",
            EndReason::RevokedByAdmin => "Signed out by an administrator",
            EndReason::Evicted => "Signed out because of newer sign-ins",
            EndReason::Replaced => "Replaced by a newer sign-in",
            EndReason::Idle => "Signed out after a time without activity",
            EndReason::Expired => "Expired",
            EndReason::CredentialsChanged => "Signed out because the password changed",
            EndReason::RefreshReused => "Signed out for safety",
            EndReason::Policy => "Signed out by a security policy",
        }
        .into()
    }
}

/// The English texts.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EnglishTexts {}

impl PageTexts for EnglishTexts {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_their_largest_unit() {
        let texts = EnglishTexts::default();
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7_199, "1 hour ago"),
            (7_200, "2 hours ago"),
            (86_400, "1 day ago"),
            (40 * 86_400, "40 days ago"),
        ] {
            assert_eq!(texts.ago(Duration::from_secs(seconds)), text);
        }
    }
}
