"""Gateways and meters of the community, and the approval of new gateways."""

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access import viewer
from app.audit import AuditEntry, record
from app.auth import hash_of, new_code
from app.errors import InputError
from app.platform import platform
from app.storage.database import reading, writing
from app.storage.store.devices import find_gateway, set_enrolment_code, set_gateway_status
from app.storage.store.findings import accept_finding, open_findings
from app.web.context import engine, page
from app.web.read_models.devices import alarms, device_health, gateways
from app.web.views.operator import operator

ALARMS_LISTED = 100
CODE_S = 7 * 86_400
FINDINGS_DAYS = 14


@operator.get("/devices")
def devices() -> str:
    """Every gateway and meter, and what was refused."""
    present = page()
    day = present.today
    with reading(engine()) as connection:
        meters = device_health(
            connection,
            day_start_s=day.start_s,
            day_end_s=day.end_s,
            now_s=present.now_s,
            interval_s=present.interval_s,
            participant_id=None,
        )
        return render_template(
            "operator/devices.html",
            devices=meters,
            gateways=gateways(connection),
            alarms=alarms(connection, newest=ALARMS_LISTED),
            findings=open_findings(connection, since=str(day.shifted(-FINDINGS_DAYS).date)),
        )


@operator.post("/gateways/<gateway_id>/approve")
def approve_gateway(gateway_id: str) -> Response:
    """From now on the readings signed by this gateway's key count."""
    return _decide(gateway_id, "approved", _("Approved: its readings count from now on."))


@operator.post("/gateways/<gateway_id>/revoke")
def revoke_gateway(gateway_id: str) -> Response:
    """From now on readings of this gateway are refused; what was accepted stays."""
    return _decide(gateway_id, "revoked", _("Revoked: its readings are refused from now on. What was accepted stays."))


@operator.post("/findings/accept")
def accept() -> Response:
    """The values that a rule doubts are right all the same: settlement takes them as they are."""
    form = request.form
    point, day, rule = form.get("metering_point", ""), form.get("day", ""), form.get("rule", "")
    now_s = page().now_s
    with writing(engine()) as connection:
        if not accept_finding(connection, point=point, day=day, rule=rule, by=viewer().id, now_s=now_s):
            abort(404, _("There is no such doubt, or it was answered already."))
        subject = f"{rule} at {point} on {day}"
        record(connection, AuditEntry(at_s=now_s, actor=viewer().id, action="finding.accepted", subject=subject))
    flash(_("%(point)s: the values of %(day)s stand as they are.", point=point, day=day), "good")
    return redirect(url_for("operator.devices"))


@operator.post("/gateways/<gateway_id>/code")
def make_code(gateway_id: str) -> str:
    """A one-time code for a gateway that has no key yet, shown to who asked and to nobody else."""
    code, now_s = new_code(), page().now_s
    with writing(engine()) as connection:
        gateway = find_gateway(connection, gateway_id)
        if gateway is None or gateway.address is not None:
            abort(404, "There is no gateway of that name that waits for a code.")
        set_enrolment_code(connection, gateway_id, code_hash=hash_of(code), expires_s=now_s + CODE_S)
        record(connection, AuditEntry(at_s=now_s, actor=viewer().id, action="gateway.code", subject=gateway_id))
    server = platform().settings.web.base_url
    return render_template(
        "operator/gateway_code.html", gateway=gateway, code=code, server=server, days=CODE_S // 86_400
    )


def _decide(gateway_id: str, status: str, said: str) -> Response:
    with writing(engine()) as connection:
        if find_gateway(connection, gateway_id) is None:
            abort(404, _("There is no such gateway."))
        try:
            gateway = set_gateway_status(connection, gateway_id, status)
        except InputError as error:
            flash(f"{str(error)[0].upper()}{str(error)[1:]}.", "bad")
            return redirect(url_for("operator.devices"))
        entry = AuditEntry(at_s=page().now_s, actor=viewer().id, action=f"gateway.{status}", subject=gateway_id)
        record(connection, entry)
    flash(f"{gateway.name}: {said}", "good")
    return redirect(url_for("operator.devices"))
