// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @title Who may do what: one administrator, whose office passes in two steps with a delay, roles, and a pause.
/// @notice The new administrator is named, two days pass in which everybody can see it, and then it has to accept.
abstract contract Governed is AccessControlDefaultAdminRules, Pausable {
    uint48 public constant ADMIN_DELAY = 2 days;

    constructor(address admin) AccessControlDefaultAdminRules(ADMIN_DELAY, admin) {}

    /// @notice Nothing moves until `unpause`.
    function pause() external virtual onlyRole(DEFAULT_ADMIN_ROLE) {
        _pause();
    }

    function unpause() external virtual onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }
}
