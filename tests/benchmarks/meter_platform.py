"""The real web application with many meters, over SQLite: `meter_platform.py FOLDER COUNT` prints its address.

It ends when its standard input does.
"""

import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from waitress.server import create_server  # noqa: E402  the path above must come first

from app.config import Settings  # noqa: E402  as above
from app.factory import create_app  # noqa: E402  as above
from app.storage.database import open_database, writing  # noqa: E402  as above
from app.storage.store.devices import Device, add_device  # noqa: E402  as above
from app.storage.store.members import MeteringPoint, Participant, add_metering_point, add_participant  # noqa: E402  as above
from tests.app.neighbourhood import NOON_S, found_community  # noqa: E402  as above

DAYS_LATER_S = 400 * 86_400


def main(folder: Path, count: int) -> None:
    """Found a community with `count` meters B000, B001 ... behind gateway g1, and serve it."""
    engine = open_database(f"sqlite:///{folder / 'community.sqlite'}")
    found_community(engine)
    with writing(engine) as connection:
        for number in range(count):
            name = f"B{number:03}"
            person = Participant(id=name, display_name=name, email=f"{name}@example.org", lane=10 + number)
            add_participant(connection, person)
            point = MeteringPoint(id=f"mp-{name}", participant_id=name, connection_w=43_500)
            add_metering_point(connection, point)
            add_device(connection, Device(id=name, metering_point_id=point.id, gateway_id="g1", profile="abb_b23"))
    settings = Settings.load(None, {"COMMONWATT_STATE": str(folder), "COMMONWATT_SECRET_KEY": "t" * 40})
    app = create_app(settings, engine, lambda: datetime.fromtimestamp(NOON_S + DAYS_LATER_S, UTC))
    server = create_server(app, host="127.0.0.1", port=0, threads=2)
    sys.stdout.write(f"http://127.0.0.1:{server.effective_port}\n")
    sys.stdout.flush()
    threading.Thread(target=server.run, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
