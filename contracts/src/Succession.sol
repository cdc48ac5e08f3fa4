// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";

/// @title How a ledger ends: its successor is announced, a week passes, and then everything stays as it is.
/// @notice There is no upgrade of code in place. The successor copies all balances; nobody can choose which.
abstract contract Succession is AccessControlDefaultAdminRules {
    uint48 public constant SUCCESSION_NOTICE = 7 days;

    address public successor;
    uint48 public successionFrom; // seconds since the Unix epoch; 0: no successor is announced
    bool public handedOver;

    event SuccessorAnnounced(address indexed successor, uint48 from);
    event SuccessorWithdrawn(address indexed successor);
    event HandedOver(address indexed successor);

    error NoSuccessor();
    error SuccessionTooEarly(uint48 from);
    error AlreadyHandedOver(address successor);

    /// @notice Names the contract that will take over; announcing another one waits anew.
    function announceSuccessor(address next) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (handedOver) revert AlreadyHandedOver(successor);
        if (next == address(0)) revert NoSuccessor();
        successor = next;
        successionFrom = uint48(block.timestamp) + SUCCESSION_NOTICE;
        emit SuccessorAnnounced(next, successionFrom);
    }

    function withdrawSuccessor() external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (handedOver) revert AlreadyHandedOver(successor);
        if (successor == address(0)) revert NoSuccessor();
        emit SuccessorWithdrawn(successor);
        (successor, successionFrom) = (address(0), 0);
    }

    /// @notice Stops this ledger for good; its successor may copy it from now on.
    function handOver() external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (handedOver) revert AlreadyHandedOver(successor);
        if (successor == address(0)) revert NoSuccessor();
        if (block.timestamp < successionFrom) revert SuccessionTooEarly(successionFrom);
        handedOver = true;
        _stop();
        emit HandedOver(successor);
    }

    /// @dev Nothing moves any more.
    function _stop() internal virtual;
}
