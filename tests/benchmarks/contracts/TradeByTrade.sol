// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title What settling costs elsewhere: a token that moves once for every trade, alone or in a loop.
contract TradeByTrade is ERC20 {
    constructor() ERC20("Trade by trade", "TBT") {}

    function join(address[] calldata members) external {
        for (uint256 i = 0; i < members.length; ++i) {
            _mint(members[i], 1e18);
            _approve(members[i], msg.sender, type(uint256).max);
        }
    }

    function settle(address[] calldata from, address[] calldata to, uint256[] calldata amounts) external {
        for (uint256 i = 0; i < from.length; ++i) {
            _transfer(from[i], to[i], amounts[i]);
        }
    }
}
