//! What a group is told by way of the server: that it shall take over, and that another member has let go.

use std::net::IpAddr;

use api_types::assist::LetGo;
use api_types::boost::Boost;
use uuid::Uuid;
use vrrp::{BoostRefused, Instance, Instant};

use super::{Effects, Group};
use crate::dataplane::translate;
use crate::shared_memory::SlotBoost;

/// What the group was told about taking over, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Switchover {
    told: Option<Boost>,
    refused: Option<BoostRefused>,
}

impl Group {
    /// It shall take over, or need not any longer.
    pub(in super::super) fn set_boost(&mut self, told: Option<Boost>, now: Instant, effects: &mut Effects) {
        if self.switchover.told == told {
            return;
        }
        self.switchover = Switchover { told, refused: None };
        effects.news = true;
        effects.touched.insert(self.handle);
        match told {
            Some(boost) => self.try_to_boost(boost, now, effects),
            None => {
                if let Some(instance) = &mut self.instance {
                    instance.unboost(now);
                }
                self.drain(now, effects);
            }
        }
    }

    /// Who was out of reach may have come into reach: it is another switchover's target that has been told of its end.
    pub(super) fn try_to_boost_again(&mut self, now: Instant, effects: &mut Effects) {
        if let Switchover { told: Some(boost), refused: Some(BoostRefused::OutOfReach { .. }) } =
            self.switchover
        {
            self.try_to_boost(boost, now, effects);
        }
    }

    /// It was boosted when an earlier worker left it.
    pub(super) fn resume_boost(&mut self, boost: Boost, instance: &mut Instance) {
        instance.resume_boost(boost.priority);
        self.switchover = Switchover { told: Some(boost), refused: None };
    }

    fn try_to_boost(&mut self, boost: Boost, now: Instant, effects: &mut Effects) {
        let outcome = match &mut self.instance {
            Some(instance) => instance.boost(boost.priority, now),
            None => Err(BoostRefused::TakesNoPart),
        };
        let refused = outcome.err();
        if self.switchover.refused != refused {
            effects.news = true;
            let name = &self.desired.name;
            effects.notices.extend(
                refused.map(|error| format!("group {name}: switchover {}: {error}", boost.switchover_id)),
            );
        }
        self.switchover.refused = refused;
        self.drain(now, effects);
    }

    /// The switchover whose boost is in effect.
    pub(in super::super) fn boost(&self) -> Option<Uuid> {
        let boosted = self.instance.as_ref()?.config().boost().is_some();
        self.switchover.told.filter(|_| boosted).map(|boost| boost.switchover_id)
    }

    /// The same, for another worker to go on with.
    pub(in super::super) fn boost_in_effect(&self) -> Option<SlotBoost> {
        let Boost { switchover_id, sequence, .. } = self.switchover.told?;
        let priority = self.instance.as_ref()?.config().boost()?;
        Some(SlotBoost { priority, sequence, switchover_id })
    }

    /// Why the switchover that it was told of is not under way.
    pub(in super::super) fn boost_refused(&self) -> Option<BoostRefused> {
        self.switchover.refused
    }

    /// Another member has let go, and could not say so on the LAN. Whether that was believed.
    pub(in super::super) fn handle_assist(
        &mut self,
        let_go: &LetGo,
        now: Instant,
        effects: &mut Effects,
    ) -> bool {
        let rank = self.rank_without(let_go.source);
        let Some(instance) = &mut self.instance else { return false };
        let obeyed = instance.handle_assist(let_go.source, let_go.sequence, rank, now);
        effects.touched.extend(obeyed.then_some(self.handle));
        obeyed
    }

    /// The member at `resigned` has resigned. Where every better one has an agent, each lets the next better one go
    /// first and waits no longer; routers without one wait for their skew.
    pub(super) fn succeed_who_resigned(&mut self, resigned: IpAddr, now: Instant) {
        let (rank, weighted) = (self.rank_without(resigned), self.has_weights());
        let peers = &self.desired.peers;
        let is_member = peers.iter().any(|peer| peer.address == Some(resigned));
        let external = peers.iter().filter(|peer| peer.external && peer.address != Some(resigned));
        let external = external.map(|peer| (peer.priority, peer.address));
        let Some(instance) = &mut self.instance else { return };
        // What the others have come to by their checks nobody knows here.
        if is_member && !weighted && instance.config().rank(external) == 0 {
            instance.succeed_by_rank(rank, now);
        }
    }

    /// How many other members would win before this one if that one is gone. Routers without an agent are not told
    /// of it, and take their time.
    fn rank_without(&self, gone: IpAddr) -> u32 {
        let others = self.desired.peers.iter().filter(|peer| !peer.external && peer.address != Some(gone));
        let others = others.map(|peer| (peer.priority, peer.address));
        // Where checks change priorities the declared ones are compared: every member knows them, so that no two have one
        // rank.
        let declared = self
            .footing
            .filter(|_| self.has_weights())
            .and_then(|footing| translate::config(&self.desired, footing.source));
        let config = declared.as_ref().or_else(|| Some(self.instance.as_ref()?.config()));
        config.map_or(0, |config| config.rank(others))
    }
}
