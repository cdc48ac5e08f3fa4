// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Governed} from "./Governed.sol";

/// @title Numbers that the administrator may change within bounds fixed for ever, two days after saying so.
abstract contract Parameters is Governed {
    struct Parameter {
        uint64 value;
        uint64 least;
        uint64 most;
    }

    struct Proposal {
        uint64 value;
        uint48 from; // seconds since the Unix epoch; 0: nothing is proposed
    }

    uint48 public constant NOTICE = 2 days;

    mapping(bytes32 name => Parameter) private _parameters;
    mapping(bytes32 name => Proposal) public proposals;

    event ParameterProposed(bytes32 indexed name, uint64 value, uint48 from);
    event ParameterChanged(bytes32 indexed name, uint64 value);

    error UnknownParameter(bytes32 name);
    error OutOfBounds(bytes32 name, uint64 least, uint64 most, uint64 given);
    error NothingProposed(bytes32 name);
    error TooEarly(uint48 from);

    /// @notice Announces a value; a later announcement replaces it and waits anew.
    function proposeParameter(bytes32 name, uint64 value) external onlyRole(DEFAULT_ADMIN_ROLE) {
        Parameter storage known = _parameters[name];
        if (known.most == 0) revert UnknownParameter(name);
        if (value < known.least || value > known.most) revert OutOfBounds(name, known.least, known.most, value);
        uint48 from = uint48(block.timestamp) + NOTICE;
        proposals[name] = Proposal({value: value, from: from});
        emit ParameterProposed(name, value, from);
    }

    /// @notice Puts the announced value into force.
    function applyParameter(bytes32 name) external onlyRole(DEFAULT_ADMIN_ROLE) {
        Proposal memory proposal = proposals[name];
        if (proposal.from == 0) revert NothingProposed(name);
        if (block.timestamp < proposal.from) revert TooEarly(proposal.from);
        delete proposals[name];
        _parameters[name].value = proposal.value;
        emit ParameterChanged(name, proposal.value);
    }

    function parameter(bytes32 name) public view returns (uint64) {
        return _parameters[name].value;
    }

    /// @dev For constructors: `most` is not zero, the value lies within its bounds.
    function _define(bytes32 name, uint64 value, uint64 least, uint64 most) internal {
        assert(most != 0 && least <= value && value <= most);
        _parameters[name] = Parameter({value: value, least: least, most: most});
        emit ParameterChanged(name, value);
    }
}
