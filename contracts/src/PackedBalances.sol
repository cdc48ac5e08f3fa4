// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

/// @title Members' balances, five to a storage word.
/// @dev A lane has 51 bits, of which 48 hold the balance plus 2^47 and three stay free, so that five additions and
/// their five range checks are one addition and one comparison.
abstract contract PackedBalances {
    uint256 public constant MAX_WORDS = 4096;

    uint256 internal constant LANES = 5;
    uint256 internal constant HALF = 1 << 47;
    // slither-disable-next-line too-many-digits (one bit a lane)
    uint256 internal constant BIAS = 0x0800000000000100000000000020000000000004000000000000800000000000;
    uint256 internal constant MAX_LANES = LANES << 20;
    uint256 private constant LANE_BITS = 51;
    uint256 private constant LAST_LANE_SHIFT = 204;
    uint256 private constant LANE_MASK = (1 << 48) - 1;
    uint256 private constant RANGE = 0x2000000000000400000000000080000000000010000000000002000000000000;
    uint256 private constant FREE_BITS = 0xf000000000000e000000000001c0000000000038000000000007000000000000;
    uint256 private constant TWO_LANES = 0x000000000000000000000000003fffffffffffc0000000000000ffffffffffff;
    uint256 private constant TWO_SUMS = (1 << 102) - 1;

    uint256[1 << 20] internal _words;
    uint32 public memberCount;

    error LaneOverflow();
    error UnknownMember(uint256 lane);
    error DeltaTooLarge();
    error TooManyWords(uint256 given);

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

    /// @dev Returns the exact sum of all deltas. Every delta is within 2^47 of zero and there are at most 5 * 2^12 of
    /// them, so neither the two-lane sums (102 bits each) nor their total can wrap.
    // slither-disable-next-line assembly (the loop below says why)
    function _applyMembers(uint256 firstWord, uint256[] calldata words) internal returns (int256) {
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

    function _moveLane(uint256 lane, int256 amount) internal {
        int256 biased = balanceOfLane(lane) + amount + int256(HALF);
        if (biased < 0 || biased > int256(LANE_MASK)) revert LaneOverflow();
        uint256 shift = (lane % LANES) * LANE_BITS;
        _words[lane / LANES] = (_words[lane / LANES] & ~(LANE_MASK << shift)) | (uint256(biased) << shift);
    }
}
