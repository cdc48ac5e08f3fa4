"""The example `commonwatt.toml`, and what has to be filled in before it describes a real community."""

from pathlib import Path

from app.config import Settings
from app.meter_places import local_gateway_config, point_id_of
from app.worker import network_of

EXAMPLE_NAME = "My Street"
EXAMPLE_PLACE = "192.0.2."
"""Addresses of this kind are reserved for documentation: no meter is there."""
TARIFF_FILE = "tariff.toml"
MAIL_FILE = "mail-password"

EXAMPLE = f"""\
# A community for `commonwatt up`. Prices are in millionths of the currency per kWh: 190000 is 0.19.
# What stands behind a # at the beginning of a line is optional, with its default or an example.

# environment = "local"        # "deployed" refuses unencrypted public addresses and example secrets
state = "state"                # directory of database, keys and chain: back it up
tariff_file = "{TARIFF_FILE}"    # platform fee, grid fee, levies, VAT

[community]
name = "{EXAMPLE_NAME}"
currency = "EUR"
timezone = "Europe/Berlin"
market_time_unit_minutes = 15  # 5, 15, 30 or 60; fixed once the community is founded

# The network whose limits every round keeps. One of
#   "simbench:1-LV-rural3--2-sw"   a published network, to try things out; `commonwatt grid list` shows them
#   "street.json"                  a pandapower network
#   "street"                       a folder with transformer.csv and cables.csv
#   "transformer:400"              a transformer's rating in kVA and nothing else: LESS SAFE, cables are not checked
network = "transformer:400"

# [market]                     # how neighbours trade; see docs/mechanisms.md
# mechanism = "k_double_auction"
# community_price_micro_per_kwh = 150000  # of fixed_price, static_key and dynamic_key
# keys_ppm = {{anna = 600000}}   # of static_key: shares of generation in parts per million
# timing = "ex_ante"           # "ex_post" shares what was metered, after delivery
# authority = "platform"       # "operator_of_grid" takes quantities from the operator of the grid and only prices them

# [grid]
# islanded = false             # true: nobody has a supplier; docs/islanded.md tells what else that needs

[web]
listen = "127.0.0.1:8080"
# public_url = "https://energy.example.org"  # what people open, through a reverse proxy with TLS
# trusted_proxies = 0                        # how many reverse proxies stand in front
# session_hours = 12                         # how long a sign-in lasts
# language = "en"                            # or "de": for readers whose browser asks for neither

# [database]
# url = "postgresql://commonwatt@localhost:5432/commonwatt"  # default: SQLite in the state directory

# [chain]
# url = "http://127.0.0.1:8545"              # default: embedded, in the state directory

# [mail]                                     # letters to members: recovery of sign-ins, notifications
# host = "mail.example.org"
# sender = "My Street <energy@example.org>"
# encryption = "starttls"                    # or "tls" from the first byte, or "none" without a password
# port = 587                                 # default: 587, 465 or 25 by the encryption
# user = "energy@example.org"
# password_file = "{MAIL_FILE}"            # beside this file, readable by its owner only

# [settlement]
# grace_minutes = 1440                       # D1: how long a day waits for missing readings
# sf_working_days = 5                        # SF: working days after the month, makes the invoices
# r1_days = 45                               # R1: days after the month, corrects
# rf_months = 4                              # RF: months after the month, corrects for the last time
# period_minutes = 15                        # ONLY for rehearsals: settles this span instead of the local day,
#                                            # and short batches tell the world a home's energy

# [[treasurers]]               # who keeps the accounts; without one the operator does
# id = "tina"
# name = "Tina"
# email = "tina@example.org"

# One [[members]] entry for every home.
[[members]]
id = "anna"
name = "Anna"
email = "anna@example.org"
supplier_price_micro_per_kwh = 190000        # what the home's own supplier charges, without grid fees, levies and VAT
feed_in_price_micro_per_kwh = 70000          # what it is paid for feeding in otherwise
# bus = "house1"                             # place in the network: a name or an index of its buses
# phase = "b"                                # a, b, c, or abc for all three; single phases are then checked, too
# connection_w = 25000                       # rating of the connection
generation_w = 8000                          # solar
generation_controllable = false              # true with a [members.meter.control] inverter that obeys limits
# battery_wh = 0
# battery_w = 0
# vat_class = "private"                      # one of the tariff's
# vat_class_from = 2027-01-01                # the day from which a new class holds; without it from now on, once

[members.meter]
profile = "eastron_sdm630"                   # `commonwatt meter profiles` lists them
address = "tcp://{EXAMPLE_PLACE}11:502"           # also rtu:///dev/ttyUSB0?baud=9600, rtutcp://HOST:PORT, tls://HOST:802
device_id = 1
# gateway = "mill-lane"                      # read by a gateway elsewhere; then no address is needed here

# [members.meter.control]                    # a SunSpec inverter that keeps to limits
# address = "tcp://{EXAMPLE_PLACE}11:502"
# device_id = 2

[[members]]
id = "ben"
name = "Ben"
email = "ben@example.org"
supplier_price_micro_per_kwh = 190000
feed_in_price_micro_per_kwh = 70000

[members.meter]
profile = "eastron_sdm630"
address = "tcp://{EXAMPLE_PLACE}12:502"
"""


def missing(settings: Settings, config: Path) -> list[str]:
    """What a person still has to do, a line each. Raises InputError for what is wrong rather than missing."""
    community = settings.community
    if community is None or not settings.members:
        return [f"{config}: describe [community] and its [[members]]"]
    lines = []
    if community.name == EXAMPLE_NAME:
        lines.append("community.name: is the example's")
    note = network_of(community.network).safety_note
    if note:
        lines.append(f"community.network: {note}")
    for member in settings.members:
        if member.meter is None:
            lines.append(f"member {member.id}: no meter, so nothing of {point_id_of(member.id)} can be traded")
        elif member.meter.address.partition("://")[2].startswith(EXAMPLE_PLACE):
            lines.append(f"member {member.id}: the meter's address {member.meter.address} is the example's")
        if not member.email or member.email.endswith("@example.org"):
            lines.append(f"member {member.id}: email, to sign in with")
    local_gateway_config(settings, server="", state=settings.state)
    if not settings.web.is_encrypted:
        lines.append("web.public_url: only this machine can open the web app until TLS stands in front")
    if settings.tariff_file is None:
        lines.append("tariff_file: the default tariff holds; fees and taxes of your country are in none of it")
    else:
        lines.append(f"{settings.tariff_file}: have fees and taxes confirmed for where you are")
    return lines
