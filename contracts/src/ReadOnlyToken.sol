// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

/// @title What a wallet reads of an ERC-20 token that nobody can transfer.
/// @dev A transferable claim on money would be electronic money; only the ledger's own rules move balances.
abstract contract ReadOnlyToken {
    string public symbol;

    error NotTransferable();

    constructor(string memory currency) {
        symbol = string.concat("cw", currency);
    }

    function name() external pure returns (string memory) {
        return "Commonwatt energy credit";
    }

    function decimals() external pure returns (uint8) {
        return 9;
    }

    /// @notice What the community owes the account; 0 for one that owes.
    function balanceOf(address account) external view virtual returns (uint256);

    /// @notice Issued less redeemed; 0 when more was paid out than in.
    function totalSupply() external view virtual returns (uint256);

    function allowance(address, address) external pure returns (uint256) {
        return 0;
    }

    function transfer(address, uint256) external pure returns (bool) {
        revert NotTransferable();
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        revert NotTransferable();
    }

    function approve(address, uint256) external pure returns (bool) {
        revert NotTransferable();
    }
}
