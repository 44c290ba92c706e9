//! What happens to sessions without a router: they are created, changed, checked, tried again, discarded.

use super::{ServiceError, Sessions};
use crate::session::{Session, SessionEventKind, Status, TransitionError, new_id};

impl Sessions {
    /// A draft for a router.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn create(&self, router: &str, document: serde_json::Value) -> Result<Session, ServiceError> {
        let now = (self.now)();
        let id = new_id(now).map_err(|error| ServiceError::Name(error.to_string()))?;
        let session = Session::new(id, router.to_owned(), document, now);
        self.store.save(&session).await?;
        Ok(session)
    }

    /// A draft that is validated at once. What is wrong with the document is in the session.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn import(&self, router: &str, document: serde_json::Value) -> Result<Session, ServiceError> {
        let session = self.create(router, document).await?;
        self.validate(&session.id).await
    }

    /// A session.
    ///
    /// # Errors
    /// When there is none of this name.
    pub async fn get(&self, id: &str) -> Result<Session, ServiceError> {
        self.store.load(id).await?.ok_or_else(|| ServiceError::Unknown(id.to_owned()))
    }

    /// Another document for a draft.
    ///
    /// # Errors
    /// When it is no draft any more.
    pub async fn update(&self, id: &str, document: serde_json::Value) -> Result<Session, ServiceError> {
        self.edit(id, |session, now| session.update(document, now)).await
    }

    /// Checks the document of a draft; without errors it can be applied. The issues are in the session.
    ///
    /// # Errors
    /// When it is no draft.
    pub async fn validate(&self, id: &str) -> Result<Session, ServiceError> {
        let session =
            self.edit(id, |session, now| session.validate(self.compile.validate(&session.document), now)).await?;
        if session.status == Status::Validated {
            self.emit(&session, SessionEventKind::Validated);
        }
        Ok(session)
    }

    /// A failed session of which nothing is left may be tried again.
    ///
    /// # Errors
    /// When it has not failed, or something is left.
    pub async fn retry(&self, id: &str) -> Result<Session, ServiceError> {
        self.edit(id, Session::retry).await
    }

    /// Nobody wants a session any more.
    ///
    /// # Errors
    /// When it is being applied, or something of it is on the router.
    pub async fn discard(&self, id: &str) -> Result<Session, ServiceError> {
        let session = self.edit(id, Session::discard).await?;
        self.emit(&session, SessionEventKind::Discarded);
        Ok(session)
    }

    async fn edit(
        &self,
        id: &str,
        change: impl FnOnce(&mut Session, u64) -> Result<(), TransitionError>,
    ) -> Result<Session, ServiceError> {
        let _one = self.editing.lock().await;
        let mut session = self.get(id).await?;
        change(&mut session, (self.now)())?;
        self.store.save(&session).await?;
        Ok(session)
    }
}
