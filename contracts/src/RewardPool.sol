// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Governed} from "./Governed.sol";
import {Parameters} from "./Parameters.sol";

/// @title A capped token for those who run devices, claimed from one cumulative Merkle root a day.
/// @notice Off until the administrator unpauses it, and no part of settling energy. A root holds what every account has
/// earned since the beginning, so one claim collects all days, and an old root can never pay twice.
/// @dev Leaves are keccak256(keccak256(abi.encode(account, total))), inner nodes hash their sorted children.
contract RewardPool is ERC20, Parameters {
    bytes32 public constant PUBLISHER_ROLE = keccak256("PUBLISHER_ROLE");
    bytes32 public constant DAILY_TOKENS = "daily tokens";
    uint256 public constant CAP = 100_000_000 ether;

    bytes32 public root;
    /// @notice Days since the Unix epoch that the root covers.
    uint64 public day;
    /// @notice Sum of all accounts' totals under the root.
    uint256 public published;
    mapping(address account => uint256) public claimed;

    event RootPublished(uint64 indexed day, bytes32 root, uint256 total);
    event Claimed(address indexed account, uint256 amount);

    error EmptyRoot();
    error DayNotNew(uint64 last, uint64 given);
    error DayNotOver(uint64 day);
    error OverDailyLimit(uint256 most, uint256 given);
    error OverCap(uint256 most, uint256 given);
    error TotalFell(uint256 last, uint256 given);
    error UnknownRoot(bytes32 given);
    error NotInRoot(address account, uint256 total);
    error NothingToClaim(address account);
    error OverPublished(uint256 published, uint256 supply);

    constructor(address admin, address publisher) ERC20("Commonwatt device reward", "cwDEV") Governed(admin) {
        _grantRole(PUBLISHER_ROLE, publisher);
        _define(DAILY_TOKENS, 10_000, 1, 100_000);
        _pause();
    }

    /// @notice Replaces the root by one that covers the days up to `newDay`.
    function publish(uint64 newDay, bytes32 newRoot, uint256 total) external onlyRole(PUBLISHER_ROLE) whenNotPaused {
        if (newRoot == 0) revert EmptyRoot();
        if (newDay <= day) revert DayNotNew(day, newDay);
        if ((uint256(newDay) + 1) * 1 days > block.timestamp) revert DayNotOver(newDay);
        if (total < published) revert TotalFell(published, total);
        // Days without a root do not add up to a larger limit: what was not published is not earned.
        uint256 most = uint256(parameter(DAILY_TOKENS)) * 1 ether;
        if (total - published > most) revert OverDailyLimit(most, total - published);
        if (total > CAP) revert OverCap(CAP, total);
        (day, root, published) = (newDay, newRoot, total);
        emit RootPublished(newDay, newRoot, total);
    }

    /// @notice Mints what `account` has earned and not claimed; anybody may send it.
    function claim(address account, uint256 total, bytes32 against, bytes32[] calldata proof) external whenNotPaused {
        if (against == 0 || against != root) revert UnknownRoot(against);
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, total))));
        if (!MerkleProof.verifyCalldata(proof, against, leaf)) revert NotInRoot(account, total);
        uint256 before = claimed[account];
        if (total <= before) revert NothingToClaim(account);
        uint256 amount = total - before;
        claimed[account] = total;
        emit Claimed(account, amount);
        _mint(account, amount);
        // A root whose leaves add up to more than was published pays until that is reached.
        if (totalSupply() > published) revert OverPublished(published, totalSupply());
    }
}
