// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Governed} from "./Governed.sol";
import {PackedBalances} from "./PackedBalances.sol";
import {ReadOnlyToken} from "./ReadOnlyToken.sol";
import {Succession} from "./Succession.sol";

/// @title Balances of an energy community, moved by netted batches that always add up to zero.
/// @notice Amounts are nano-units of currency (9 decimals). A positive balance is owed to its holder, a negative one is
/// owed by it: members are billed afterwards, so no balance of one member can stop the community's batch. Nothing is
/// transferable; wallets may read the contract as an ERC-20 token.
/// @dev The order of the bases puts the pause flag beside what every batch writes. No immutables: the code on the chain
/// is the published one, byte for byte.
contract SettlementLedger is Succession, ReadOnlyToken, PackedBalances, Governed {
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

    // Beside the bases' member count and pause flag: the order packs what every batch writes into two storage words.
    uint64 public lastSequence;
    int64 public platformFee;
    int64 public gridFee;

    int64 public levies;
    int64 public vat;
    int64 public congestion;
    int64 public rounding;

    int64 public market;
    /// @notice Stands against everything issued and redeemed. No batch can touch it.
    int64 public treasury;
    uint32 public adoptedWords;
    bool public adopted;

    /// @notice The ledger that this one took over from; zero for a community's first.
    // slither-disable-next-line immutable-states (the code on the chain must be the published one)
    SettlementLedger public predecessor;
    mapping(address account => uint256 lanePlusOne) private _lanePlusOne;
    // A wallet that was given up here; the predecessor may still know it.
    uint256 private constant GONE = type(uint256).max;
    mapping(uint64 sequence => bytes32) private _commitments;

    event MembersRegistered(uint256 firstLane, uint256 count);
    event AccountMoved(uint256 indexed lane, address from, address to);
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
    event BalancesAdopted(uint256 firstWord, uint256 count, bool complete);

    error NotZeroSum(int256 sum);
    error SequenceGap(uint64 expected, uint64 given);
    error InvalidPeriod(uint64 firstStart, uint64 end);
    error AlreadyRegistered(address account);
    error NotTheMembers(address account);
    error RegistrationGap(uint256 expectedLane, uint256 givenLane);
    error LedgerFull();
    error SystemOverflow();
    error InsufficientBalance(uint256 lane, int256 balance, uint256 amount);
    error NothingToAdopt();
    error NotTheSuccessor(address predecessor);

    constructor(address admin, address settler, address treasurer, string memory currency, SettlementLedger from)
        ReadOnlyToken(currency)
        Governed(admin)
    {
        _grantRole(SETTLER_ROLE, settler);
        _grantRole(TREASURER_ROLE, treasurer);
        predecessor = from;
        if (address(from) != address(0)) _pause();
    }

    /// @notice Gives the next lanes to members, each with balance zero. The zero address stands for no wallet view.
    function registerMembers(uint256 firstLane, address[] calldata accounts)
        external
        onlyRole(SETTLER_ROLE)
        whenNotPaused
    {
        uint256 lane = memberCount;
        if (firstLane != lane) revert RegistrationGap(lane, firstLane);
        if (accounts.length > MAX_LANES - lane) revert LedgerFull();
        for (uint256 i = 0; i < accounts.length; ++i) {
            address account = accounts[i];
            if (account != address(0)) {
                if (lanePlusOneOf(account) != 0) revert AlreadyRegistered(account);
                _lanePlusOne[account] = lane + 1;
            }
            if (lane % LANES == 0) _words[lane / LANES] = BIAS;
            ++lane;
        }
        memberCount = uint32(lane);
        emit MembersRegistered(firstLane, accounts.length);
    }

    /// @notice Shows a member's balance to another wallet; the zero address stands for none.
    function moveAccount(uint256 lane, address from, address to) external onlyRole(SETTLER_ROLE) whenNotPaused {
        if (lane >= memberCount) revert UnknownMember(lane);
        if (from != address(0)) {
            if (lanePlusOneOf(from) != lane + 1) revert NotTheMembers(from);
            _lanePlusOne[from] = GONE;
        }
        if (to != address(0)) {
            if (lanePlusOneOf(to) != 0) revert AlreadyRegistered(to);
            _lanePlusOne[to] = lane + 1;
        }
        emit AccountMoved(lane, from, to);
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

    function _applySystem(SystemDeltas calldata delta) private returns (int256) {
        platformFee = _moved(platformFee, delta.platformFee);
        gridFee = _moved(gridFee, delta.gridFee);
        levies = _moved(levies, delta.levies);
        vat = _moved(vat, delta.vat);
        if (delta.congestion != 0) congestion = _moved(congestion, delta.congestion);
        if (delta.rounding != 0) rounding = _moved(rounding, delta.rounding);
        if (delta.market != 0) market = _moved(market, delta.market);
        return int256(delta.platformFee) + delta.gridFee + delta.levies + delta.vat + delta.congestion
            + delta.rounding + delta.market;
    }

    function _moved(int64 balance, int256 delta) private pure returns (int64) {
        int256 moved = balance + delta;
        if (moved != int64(moved)) revert SystemOverflow();
        return int64(moved);
    }

    /// @notice Credits a member who has paid; the treasury owes the money from then on.
    function issue(uint256 lane, uint256 amount) external onlyRole(TREASURER_ROLE) whenNotPaused {
        if (amount >= HALF) revert DeltaTooLarge();
        _moveLane(lane, int256(amount));
        treasury = _moved(treasury, -int256(amount));
        emit Issued(lane, amount);
    }

    /// @notice Debits a member who has been paid out.
    function redeem(uint256 lane, uint256 amount) external onlyRole(TREASURER_ROLE) whenNotPaused {
        if (amount >= HALF) revert DeltaTooLarge();
        int256 balance = balanceOfLane(lane);
        if (int256(amount) > balance) revert InsufficientBalance(lane, balance, amount);
        _moveLane(lane, -int256(amount));
        treasury = _moved(treasury, int256(amount));
        emit Redeemed(lane, amount);
    }

    /// @notice Copies the next `count` words of the predecessor's balances; the last call opens this ledger.
    function adopt(uint256 count) external onlyRole(SETTLER_ROLE) {
        SettlementLedger old = predecessor;
        if (address(old) == address(0) || adopted) revert NothingToAdopt();
        if (!old.handedOver() || old.successor() != address(this)) revert NotTheSuccessor(address(old));
        uint256 first = adoptedWords;
        uint256 left = (old.memberCount() + LANES - 1) / LANES - first;
        uint256[] memory words = old.balanceWords(first, count < left ? count : left);
        for (uint256 i = 0; i < words.length; ++i) {
            _words[first + i] = words[i];
        }
        adoptedWords = uint32(first + words.length);
        if (words.length == left) {
            adopted = true;
            (memberCount, lastSequence) = (old.memberCount(), old.lastSequence());
            int64[8] memory system = old.systemBalances();
            (platformFee, gridFee, levies, vat) = (system[0], system[1], system[2], system[3]);
            (congestion, rounding, market, treasury) = (system[4], system[5], system[6], system[7]);
            _unpause();
        }
        emit BalancesAdopted(first, words.length, words.length == left);
    }

    /// @notice Not after this ledger was handed over, and not before it has taken over.
    function unpause() external override onlyRole(DEFAULT_ADMIN_ROLE) {
        if (handedOver) revert AlreadyHandedOver(successor);
        if (address(predecessor) != address(0) && !adopted) revert NotTheSuccessor(address(predecessor));
        _unpause();
    }

    function _stop() internal override {
        if (!paused()) _pause();
    }

    function systemBalances() external view returns (int64[8] memory) {
        return [platformFee, gridFee, levies, vat, congestion, rounding, market, treasury];
    }

    /// @notice keccak256(abi.encode(sequence, firstStart, end, tradesRoot, readingsRoot, evidenceHash)); 0 if not settled.
    function commitmentOf(uint64 sequence) external view returns (bytes32 commitment) {
        commitment = _commitments[sequence];
        if (commitment == 0 && address(predecessor) != address(0)) commitment = predecessor.commitmentOf(sequence);
    }

    /// @notice The lane of a wallet, plus one; 0 if it has none.
    function lanePlusOneOf(address account) public view returns (uint256 lanePlusOne) {
        lanePlusOne = _lanePlusOne[account];
        if (lanePlusOne == GONE) return 0;
        if (lanePlusOne == 0 && address(predecessor) != address(0)) {
            // slither-disable-next-line calls-loop (one fixed contract that answers from its storage)
            lanePlusOne = predecessor.lanePlusOneOf(account);
        }
    }

    function balanceOf(address account) external view override returns (uint256) {
        uint256 lanePlusOne = lanePlusOneOf(account);
        if (lanePlusOne == 0 || lanePlusOne > memberCount) return 0;
        int256 balance = balanceOfLane(lanePlusOne - 1);
        return balance > 0 ? uint256(balance) : 0;
    }

    function totalSupply() external view override returns (uint256) {
        return treasury < 0 ? uint256(-int256(treasury)) : 0;
    }
}
