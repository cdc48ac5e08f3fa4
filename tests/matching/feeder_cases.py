"""A small network as a file."""

from pathlib import Path


def two_homes(path: Path) -> Path:
    """Two homes, "oak" and "elm", on one 1.5 km cable behind a 100 kVA transformer, as a pandapower file."""
    import pandapower

    net = pandapower.create_empty_network()
    above = pandapower.create_bus(net, vn_kv=20.0, name="above")
    busbar, oak, elm = (pandapower.create_bus(net, vn_kv=0.4, name=name) for name in ("busbar", "oak", "elm"))
    pandapower.create_ext_grid(net, above, vm_pu=1.0)
    pandapower.create_transformer_from_parameters(
        net,
        above,
        busbar,
        sn_mva=0.1,
        vn_hv_kv=20.0,
        vn_lv_kv=0.4,
        vkr_percent=1.5,
        vk_percent=4.0,
        pfe_kw=0.2,
        i0_percent=0.3,
    )
    pandapower.create_line(net, busbar, oak, length_km=0.5, std_type="NAYY 4x50 SE", name="cable")
    pandapower.create_line(net, oak, elm, length_km=1.0, std_type="NAYY 4x50 SE", name="long cable")
    pandapower.to_json(net, str(path))
    return path
