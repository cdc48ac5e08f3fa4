"""Two CSV files become members; each mistake is told with its file, line and column."""

from zoneinfo import ZoneInfo

import pytest

from app.errors import InputError
from app.joining import Newcomer
from app.member_files import MemberFiles, read_member_files, text_of_upload

BERLIN = ZoneInfo("Europe/Berlin")
HEADER = "id,name,email,vat_class,supplier_price_micro_per_kwh,feed_in_price_micro_per_kwh,from_day,until_day"
PEOPLE = f"""{HEADER}
anna,Anna,anna@example.org,private,190000,70000,2027-01-01,2027-12-31
ben,"Ben, the baker",,,190000,70000,,
"""
POINTS = """metering_point,member,bus,phase,generation_w,generation_controllable,gateway,meter_profile
AT001-1,anna,house 1,a,8000,yes,mill-lane,eastron_sdm630
AT001-2,anna,house 1,,,,,
AT002,ben,4,abc,,no,,
"""


def read(members: str = PEOPLE, points: str | None = POINTS) -> MemberFiles:
    return read_member_files(members, points, BERLIN)


def newcomer_of(**cells: str) -> Newcomer:
    """A newcomer with one metering point, as a line of members.csv describes them."""
    prices = {"supplier_price_micro_per_kwh": "190000", "feed_in_price_micro_per_kwh": "70000"}
    row = prices | cells
    (listed,) = read_member_files(f"{','.join(row)}\n{','.join(row.values())}\n", None, BERLIN).listed
    return listed.newcomer


def test_both_files_together_describe_members_with_all_their_points() -> None:
    files = read()
    assert files.errors == ()
    anna, ben = (each.newcomer for each in files.listed)
    assert [(each.point_id, each.member.generation_w, each.member.phase) for each in anna.points] == [
        ("AT001-1", 8_000, "a"),
        ("AT001-2", 0, None),
    ]
    assert anna.points[0].member.generation_controllable
    assert anna.points[0].member.meter.gateway == "mill-lane"
    assert (anna.from_s, anna.until_s) == (1_798_758_000, 1_830_294_000)  # 2027 from its first to its last midnight
    assert (ben.member.name, ben.member.vat_class, ben.from_s) == ("Ben, the baker", "private", None)
    assert ben.points[0].member.bus == "4"


def test_one_file_is_enough_where_each_member_has_one_point() -> None:
    (listed,) = read(HEADER + ",bus,battery_wh\nanna,Anna,,,190000,70000,,,house 1,5000\n", None).listed
    assert [(each.point_id, each.member.battery_wh) for each in listed.newcomer.points] == [("MP-anna", 5_000)]


def test_spreadsheets_of_other_countries_use_semicolons_marks_and_their_line_ends() -> None:
    text = text_of_upload("members.csv", b"\xef\xbb\xbf" + PEOPLE.replace(",", ";").replace("\n", "\r\n").encode())
    assert [each.newcomer.member.id for each in read(text, POINTS.replace(",", ";")).listed] == ["anna", "ben"]
    plain = "\ufeff".join(["", HEADER + "\nanna,Anna,,,1,0,,\n"]).encode()
    assert [each.line for each in read(text_of_upload("members.csv", plain), None).listed] == [2]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("id,name", "number,name", "members.csv line 1: the column id is missing"),
        ("email,", "e-mail,", "members.csv line 1: the column 'e-mail' is unknown here: use some of id"),
        ("email,", "name,", "members.csv line 1: a column stands there twice"),
        ("190000,70000,2027", "0.19,70000,2027", "members.csv line 2: supplier_price_micro_per_kwh: is '0.19'"),
        ("190000,70000,2027", "19,70000,2027", "is above the supplier's price: are the two swapped?"),
        ("2027-01-01", "1.1.2027", "members.csv line 2: from_day: is '1.1.2027': write a day as YYYY-MM-DD"),
        ('"Ben, the baker"', "Ben, the baker", "members.csv line 3: has 9 columns, the first line 8"),
        ("\nben", "\nanna", "members.csv line 3: id: anna stands in line 2 already"),
        ("\nben", "\nbert", "members.csv line 3: bert has no metering point: add a line to points.csv"),
        ("anna,Anna,", "anna,,", "name: is missing"),
    ],
)
def test_a_mistake_among_the_members_is_named(before: str, after: str, said: str) -> None:
    files = read(PEOPLE.replace(before, after, 1))
    assert any(said in error for error in files.errors), files.errors


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (",ben,", ",carl,", "points.csv line 4: member: 'carl' is not in members.csv"),
        ("AT001-2", "", "points.csv line 3: metering_point: use 1 to 60"),
        (",8000,", ",8 kW,", "points.csv line 2: generation_w: is '8 kW': write a whole number"),
        (",yes,", ",maybe,", "points.csv line 2: generation_controllable: is 'maybe': write yes or no"),
        (",a,8000", ",d,8000", "points.csv line 2: phase: is 'd'"),
        ("eastron_sdm630", "abacus", "points.csv line 2: meter_profile: "),
        ("mill-lane", "", "points.csv line 2: a meter has both"),
    ],
)
def test_a_mistake_among_the_points_is_named(before: str, after: str, said: str) -> None:
    files = read(points=POINTS.replace(before, after, 1))
    assert any(said in error for error in files.errors), files.errors


def test_all_mistakes_are_told_at_once() -> None:
    files = read(PEOPLE.replace("190000", "x"), POINTS.replace(",ben,", ",carl,"))
    assert len(files.errors) == 3


def test_what_is_no_text_or_holds_nobody_is_refused() -> None:
    with pytest.raises(InputError, match=r"points.csv: is not text in UTF-8"):
        text_of_upload("points.csv", b"\xff\xfe\x00")
    assert read(HEADER + "\n", None).errors == ("members.csv: holds no member below its first line",)
    assert read("", None).errors[0].startswith("members.csv line 1: the column id is missing")
    assert "at most 5000" in read(HEADER + "\nx,x,,,1,0,," * 5_001 + "\n", None).errors[0]
