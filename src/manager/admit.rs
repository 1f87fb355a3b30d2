//! A new session is put on record, or joins one of a moment ago; what made room for it is made known.

use std::sync::Arc;

use crate::{
    bus::Cause,
    device::{ClientDevice, Standing},
    error::{Error, ErrorKind},
    event::SessionEvent,
    id::SessionKey,
    manager::{
        Revocation,
        records::{
            Records,
            change::{Affected, Word},
        },
        start::Held,
    },
    metrics::Operation,
    policy::{Admission, Eviction, SameDevice},
    session::{Actor, Ending, Session},
    store::Admitted,
};

impl Records {
    /// What becomes of other sessions on this device. Only one that is proven tells that two forms come from one browser.
    pub(super) fn same_device_on(&self, on: &ClientDevice, asked: Option<SameDevice>) -> SameDevice {
        match (asked.unwrap_or(self.settings.limits.same_device()), on) {
            (SameDevice::Join, ClientDevice::Proven(_)) => SameDevice::Join,
            (SameDevice::Join, _) => SameDevice::Replace,
            (other, _) => other,
        }
    }

    /// Puts a session on record, and returns it, or the one that it joins.
    pub(super) async fn admit(
        &self,
        session: &Arc<Session>,
        held: Vec<Held>,
        standing: Standing,
        same_device: SameDevice,
    ) -> Result<Arc<Session>, Error> {
        let mut admission = Admission::new(self.as_of(session.created_at));
        self.settings.limits.apply_to(&mut admission, &session.user_id);
        admission.same_device = same_device;
        // One session of the user makes room for this one by the same step.
        let mut others = held;
        if let Some(same_user) = others.iter().position(|(user, _)| *user == session.user_id) {
            admission.supersedes = Some(others.swap_remove(same_user).1);
        }

        self.settle_activity(&admission, &session.user_id).await;
        let record = loop {
            let joined = match self.insert(session, &admission).await? {
                Admitted::Inserted(evictions) => {
                    self.tell_started(session, &evictions, standing).await;
                    break Arc::clone(session);
                }
                Admitted::Joined(joined) => joined,
                Admitted::Refused(full) => {
                    self.tell(&SessionEvent::LimitReached { user_id: session.user_id.clone(), full });
                    return Err(full.into());
                }
                Admitted::NotAdopted(_) => {
                    return Err(Error::with_source(ErrorKind::Unavailable, "the store took a sign-in for an adoption"));
                }
            };
            let key = SessionKey::new(session.user_id.clone(), joined);
            let found = self.find(&key).await?;
            let twin = found.filter(|found| found.is_repeated_by(session));
            let superseded = admission.supersedes.replace(joined);
            others.extend(superseded.map(|id| (session.user_id.clone(), id)));
            if let Some(twin) = twin {
                break Arc::new(twin);
            }
            // Another sign-in, or one that has ended meanwhile: it makes room. A third one would be asked for in vain.
            if superseded.is_some() {
                admission.same_device = SameDevice::Replace;
            }
        };
        for (user, id) in others {
            // Best effort: the newcomer is on record, and the client drops the other token anyway.
            let signed_out = self.revoke_one(&user, id, &Revocation::replaced()).await;
            drop(signed_out);
        }
        Ok(record)
    }

    async fn insert(&self, session: &Session, admission: &Admission) -> Result<Admitted, Error> {
        let mut attempts = 0;
        let inserted = self.ask_twice(Operation::Insert, |store| {
            attempts += 1;
            store.insert(session, admission)
        });
        let admitted = inserted.await;
        if attempts > 1 || admitted.is_err() {
            // The first attempt may have made room, and nobody has said whose.
            let all = Affected::All { user: &session.user_id, keep: None };
            self.settle(all, &Word::Unclear(Cause::Changed)).await;
        }
        admitted
    }

    /// Makes known what a session that has just started has ended.
    async fn make_room(&self, session: &Session, evictions: &[Eviction]) {
        let ending = |eviction: &Eviction| Ending::new(eviction.reason, Actor::System, session.created_at);
        let ended: Vec<_> = evictions.iter().map(|eviction| (eviction.id, ending(eviction))).collect();
        let ids: Vec<_> = ended.iter().map(|(id, _)| *id).collect();
        self.settle(Affected::Several { user: &session.user_id, ids: &ids }, &Word::Ended(ended.clone())).await;
        for (id, ending) in &ended {
            self.report_ended(&session.user_id, *id, ending);
        }
    }

    async fn tell_started(&self, session: &Arc<Session>, evictions: &[Eviction], standing: Standing) {
        if !evictions.is_empty() {
            self.make_room(session, evictions).await;
        }
        let (new_device, new_location) = (self.note_device(session, standing).await, self.is_new_place(session).await);
        self.metrics.started();
        let first_device = new_device && self.is_first_device(session).await;
        let session = Arc::clone(session);
        self.tell(&SessionEvent::Started { session, new_device, first_device, new_location });
    }
}
