"""Every page, by blueprint: importing a module of this package registers its routes."""

from app.web.views import (  # noqa: F401  imported for the routes they register
    account,
    bill_check,
    explorer,
    history,
    home,
    household_devices,
    journey,
    notices,
    operator_audit,
    operator_devices,
    operator_founding,
    operator_member_files,
    operator_members,
    operator_network,
    operator_replay,
    operator_settlement,
    operator_tariffs,
    orders,
    origin,
    own_data,
    plan,
    preferences,
    sharing,
    statements,
    why,
)
from app.web.views.assets import assets
from app.web.views.household_access import household
from app.web.views.operator import operator
from app.web.views.public import public
from app.web.views.treasury import treasury

blueprints = (assets, public, household, operator, treasury)
