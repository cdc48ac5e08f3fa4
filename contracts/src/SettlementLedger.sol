// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @title Balances of an energy community, moved by netted batches that always add up to zero.
/// @notice Amounts are nano-units of currency (9 decimals). A positive balance is owed to its holder, a negative one is
/// owed by it: members are billed afterwards, so no balance of one member can stop the community's batch. Nothing is
/// transferable; wallets may read the contract as an ERC-20 token.
/// @dev Members live in lanes, five to a storage word: 51 bits a lane, of which 48 hold the balance plus 2^47 and three
/// stay free, so that five additions and their five range checks are one addition and one comparison.
contract SettlementLedger is AccessControl, Pausable {
    struct SystemDeltas {
        int64 platformFee;
        int64 gridFee;
        int64 levies;
        int64 vat;
        int64 congestion;
        int64 rounding;
        int64 market;
    }

    struct Batch {
        uint64 sequence;
        uint64 firstStart; // seconds since the Unix epoch: start of the first interval settled,
        uint64 end; // and end of the last one
        uint256 firstWord; // the storage word that words[0] belongs to
        uint256[] words; // sum over the word's lanes of delta * 2^(51 * lane), modulo 2^256; 0 touches nothing
        SystemDeltas system;
        bytes32 tradesRoot;
        bytes32 readingsRoot;
        bytes32 evidenceHash;
    }

    bytes32 public constant SETTLER_ROLE = keccak256("SETTLER_ROLE");
    bytes32 public constant TREASURER_ROLE = keccak256("TREASURER_ROLE");

    uint256 public constant MAX_WORDS = 4096;

    uint256 private constant LANES = 5;
    uint256 private constant LANE_BITS = 51;
    uint256 private constant LAST_LANE_SHIFT = 204;
    uint256 private constant LANE_MASK = (1 << 48) - 1;
    uint256 private constant HALF = 1 << 47;
    uint256 private constant BIAS = 0x0800000000000100000000000020000000000004000000000000800000000000;
    uint256 private constant RANGE = 0x2000000000000400000000000080000000000010000000000002000000000000;
    uint256 private constant FREE_BITS = 0xf000000000000e000000000001c0000000000038000000000007000000000000;
    uint256 private constant TWO_LANES = 0x000000000000000000000000003fffffffffffc0000000000000ffffffffffff;
    uint256 private constant TWO_SUMS = (1 << 102) - 1;

    // The order packs what every batch writes into two storage words, the first together with the base's pause flag.
    uint64 public lastSequence;
    uint32 public memberCount;
    int64 public platformFee;
    int64 public gridFee;

    int64 public levies;
    int64 public vat;
    int64 public congestion;
    int64 public rounding;

    int64 public market;
    /// @notice Stands against everything issued and redeemed. No batch can touch it.
    int64 public treasury;

    string public symbol;
    mapping(address account => uint256 lanePlusOne) private _lanePlusOne;
    mapping(uint64 sequence => bytes32) private _commitments;
    uint256[1 << 20] private _words; // 5 242 880 lanes; one more fails the array's own bounds check

    event MembersRegistered(uint256 firstLane, uint256 count);
    event BatchSettled(
        uint64 indexed sequence,
        uint64 firstStart,
        uint64 end,
        bytes32 tradesRoot,
        bytes32 readingsRoot,
        bytes32 evidenceHash
    );
    event Issued(uint256 indexed lane, uint256 amount);
    event Redeemed(uint256 indexed lane, uint256 amount);

    error NotZeroSum(int256 sum);
    error SequenceGap(uint64 expected, uint64 given);
    error LaneOverflow();
    error UnknownMember(uint256 lane);
    error DeltaTooLarge();
    error TooManyWords(uint256 given);
    error InvalidPeriod(uint64 firstStart, uint64 end);
    error AlreadyRegistered(address account);
    error RegistrationGap(uint256 expectedLane, uint256 givenLane);
    error InsufficientBalance(uint256 lane, int256 balance, uint256 amount);
    error NotTransferable();

    constructor(address admin, address settler, address treasurer, string memory currency) {
        symbol = string.concat("cw", currency);
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(SETTLER_ROLE, settler);
        _grantRole(TREASURER_ROLE, treasurer);
    }

    /// @notice Gives the next lanes to members, each with balance zero. The zero address stands for no wallet view.
    function registerMembers(uint256 firstLane, address[] calldata accounts)
        external
        onlyRole(SETTLER_ROLE)
        whenNotPaused
    {
        uint256 lane = memberCount;
        if (firstLane != lane) revert RegistrationGap(lane, firstLane);
        for (uint256 i = 0; i < accounts.length; ++i) {
            address account = accounts[i];
            if (account != address(0)) {
                if (_lanePlusOne[account] != 0) revert AlreadyRegistered(account);
                _lanePlusOne[account] = lane + 1;
            }
            if (lane % LANES == 0) _words[lane / LANES] = BIAS;
            ++lane;
        }
        memberCount = uint32(lane);
        emit MembersRegistered(firstLane, accounts.length);
    }

    /// @notice Applies one batch of net positions and anchors what they were computed from.
    function settle(Batch calldata batch) external onlyRole(SETTLER_ROLE) whenNotPaused {
        uint64 expected = lastSequence + 1;
        if (batch.sequence != expected) revert SequenceGap(expected, batch.sequence);
        if (batch.firstStart >= batch.end) revert InvalidPeriod(batch.firstStart, batch.end);
        lastSequence = expected;
        int256 sum = _applyMembers(batch.firstWord, batch.words) + _applySystem(batch.system);
        _commitments[expected] = keccak256(
            abi.encode(
                expected, batch.firstStart, batch.end, batch.tradesRoot, batch.readingsRoot, batch.evidenceHash
            )
        );
        emit BatchSettled(
            expected, batch.firstStart, batch.end, batch.tradesRoot, batch.readingsRoot, batch.evidenceHash
        );
        if (sum != 0) revert NotZeroSum(sum);
    }

    /// @dev Returns the exact sum of all deltas. Every delta is within 2^47 of zero and there are at most 5 * 2^12 of
    /// them, so neither the two-lane sums (102 bits each) nor their total can wrap.
    function _applyMembers(uint256 firstWord, uint256[] calldata words) private returns (int256) {
        uint256 count = words.length;
        if (count > MAX_WORDS) revert TooManyWords(count);
        _requireRegistered(firstWord, words);
        uint256 outer; // sums of lanes 0 and 2,
        uint256 inner; // of lanes 1 and 3,
        uint256 last; // and of lane 4, each delta raised by HALF
        uint256 tooLarge;
        uint256 overflowing;
        // Plain Solidity says the same with two bounds checks more a word, 2 % of the gas of a batch.
        assembly ("memory-safe") {
            let slot := add(_words.slot, firstWord)
            let end := add(words.offset, shl(5, count))
            for { let position := words.offset } lt(position, end) { position := add(position, 32) } {
                let word := calldataload(position)
                let biased := add(word, BIAS)
                tooLarge := or(tooLarge, biased)
                outer := add(outer, and(biased, TWO_LANES))
                inner := add(inner, and(shr(LANE_BITS, biased), TWO_LANES))
                last := add(last, shr(LAST_LANE_SHIFT, biased))
                if word {
                    let moved := add(sload(slot), add(word, RANGE))
                    overflowing := or(overflowing, xor(moved, RANGE))
                    sstore(slot, xor(moved, RANGE))
                }
                slot := add(slot, 1)
            }
        }
        if (tooLarge & FREE_BITS != 0) revert DeltaTooLarge();
        if (overflowing & FREE_BITS != 0) revert LaneOverflow();
        uint256 total = (outer & TWO_SUMS) + (outer >> 102) + (inner & TWO_SUMS) + (inner >> 102) + last;
        return int256(total) - int256(count * LANES * HALF);
    }

    /// @dev Words past the last member, and lanes past the last member in its word, must not be touched.
    function _requireRegistered(uint256 firstWord, uint256[] calldata words) private view {
        uint256 members = memberCount;
        if (words.length == 0) return;
        uint256 wordsInUse = (members + LANES - 1) / LANES;
        if (firstWord >= wordsInUse || words.length > wordsInUse - firstWord) revert UnknownMember(members);
        uint256 used = members % LANES;
        if (used != 0 && firstWord + words.length == wordsInUse) {
            unchecked {
                uint256 biased = words[words.length - 1] + BIAS;
                if (biased >> (LANE_BITS * used) != BIAS >> (LANE_BITS * used)) revert UnknownMember(members);
            }
        }
    }

    function _applySystem(SystemDeltas calldata delta) private returns (int256) {
        platformFee += delta.platformFee;
        gridFee += delta.gridFee;
        levies += delta.levies;
        vat += delta.vat;
        if (delta.congestion != 0) congestion += delta.congestion;
        if (delta.rounding != 0) rounding += delta.rounding;
        if (delta.market != 0) market += delta.market;
        return int256(delta.platformFee) + delta.gridFee + delta.levies + delta.vat + delta.congestion
            + delta.rounding + delta.market;
    }

    /// @notice Credits a member who has paid; the treasury owes the money from then on.
    function issue(uint256 lane, uint256 amount) external onlyRole(TREASURER_ROLE) whenNotPaused {
        if (amount >= HALF) revert DeltaTooLarge();
        _move(lane, int256(amount));
        emit Issued(lane, amount);
    }

    /// @notice Debits a member who has been paid out.
    function redeem(uint256 lane, uint256 amount) external onlyRole(TREASURER_ROLE) whenNotPaused {
        if (amount >= HALF) revert DeltaTooLarge();
        int256 balance = balanceOfLane(lane);
        if (int256(amount) > balance) revert InsufficientBalance(lane, balance, amount);
        _move(lane, -int256(amount));
        emit Redeemed(lane, amount);
    }

    function _move(uint256 lane, int256 amount) private {
        int256 biased = balanceOfLane(lane) + amount + int256(HALF);
        if (biased < 0 || biased > int256(LANE_MASK)) revert LaneOverflow();
        uint256 shift = (lane % LANES) * LANE_BITS;
        _words[lane / LANES] = (_words[lane / LANES] & ~(LANE_MASK << shift)) | (uint256(biased) << shift);
        treasury -= int64(amount);
    }

    function pause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    function balanceOfLane(uint256 lane) public view returns (int256) {
        if (lane >= memberCount) revert UnknownMember(lane);
        return int256((_words[lane / LANES] >> ((lane % LANES) * LANE_BITS)) & LANE_MASK) - int256(HALF);
    }

    /// @notice `count` storage words from `firstWord` on, for reading many balances at once.
    function balanceWords(uint256 firstWord, uint256 count) external view returns (uint256[] memory words) {
        words = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            words[i] = _words[firstWord + i];
        }
    }

    function systemBalances() external view returns (int64[8] memory) {
        return [platformFee, gridFee, levies, vat, congestion, rounding, market, treasury];
    }

    /// @notice keccak256(abi.encode(sequence, firstStart, end, tradesRoot, readingsRoot, evidenceHash)); 0 if not settled.
    function commitmentOf(uint64 sequence) external view returns (bytes32) {
        return _commitments[sequence];
    }

    // What a wallet reads of an ERC-20 token.

    function name() external pure returns (string memory) {
        return "Commonwatt energy credit";
    }

    function decimals() external pure returns (uint8) {
        return 9;
    }

    /// @notice What the community owes the account; 0 for one that owes.
    function balanceOf(address account) external view returns (uint256) {
        uint256 lanePlusOne = _lanePlusOne[account];
        if (lanePlusOne == 0) return 0;
        int256 balance = balanceOfLane(lanePlusOne - 1);
        return balance > 0 ? uint256(balance) : 0;
    }

    /// @notice Issued less redeemed; 0 when more was paid out than in.
    function totalSupply() external view returns (uint256) {
        return treasury < 0 ? uint256(-int256(treasury)) : 0;
    }

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
