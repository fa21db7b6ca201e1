"""The advice that admins have added."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import col

from lamina_core.store.tables import AdviceRuleTable
from lamina_core.triage.advice import Action, FailureClass, Rule


@dataclass(frozen=True)
class StoredRule:
    """A rule and when it was added; its author is who added it."""

    id: int
    rule: Rule
    added_at: datetime


def read_rules(connection: sa.Connection) -> list[StoredRule]:
    """Return the rules, those added last first: they are asked first."""
    rows = connection.execute(sa.select(AdviceRuleTable).order_by(col(AdviceRuleTable.id).desc()))
    return [
        StoredRule(
            row.id,
            Rule(
                text=row.text,
                app_id=row.app_id,
                failure_class=FailureClass(row.failure_class),
                action=Action(row.action),
                sentence=row.sentence,
                author=row.added_by,
            ),
            row.added_at,
        )
        for row in rows
    ]


def add_rule(connection: sa.Connection, rule: Rule, by: str, now: datetime) -> int:
    """Add a rule and return its id."""
    added = sa.insert(AdviceRuleTable).values(
        app_id=rule.app_id,
        text=rule.text,
        failure_class=rule.failure_class,
        action=rule.action,
        sentence=rule.sentence,
        added_by=by,
        added_at=now,
    )
    return int(connection.execute(added.returning(col(AdviceRuleTable.id))).scalar_one())


def remove_rule(connection: sa.Connection, rule_id: int) -> bool:
    """Remove a rule, and say whether it was there."""
    return bool(connection.execute(sa.delete(AdviceRuleTable).where(col(AdviceRuleTable.id) == rule_id)).rowcount)
