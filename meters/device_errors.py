"""What reading or steering a device may end in: the device's fault, never a reason to stop."""

from meters.address import AddressError
from meters.answer import BusError
from meters.control import ControlError
from meters.reader import ModelMissingError
from meters.sunspec import SunSpecError

DeviceErrors = (BusError, SunSpecError, ModelMissingError, ControlError, AddressError)
