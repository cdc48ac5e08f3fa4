// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Governed} from "./Governed.sol";
import {Parameters} from "./Parameters.sol";
import {SiteRegistry} from "./SiteRegistry.sol";

/// @title Salted roots of every hour's readings, feeder by feeder, signed by enough of the community's verifiers.
/// @notice Each root names the one before it, so none can be left out, repeated or put in later. Whoever shows two
/// different chains of readings that one gateway signed costs its site a part of the bond.
contract ReadingAnchor is EIP712, Parameters {
    struct Anchor {
        bytes32 feeder;
        uint64 hour; // hours since the Unix epoch
        bytes32 previous; // root of the hour before
        bytes32 root;
        uint32 count; // readings below the root
    }

    struct Head {
        bytes32 root;
        uint64 hour;
        uint48 anchoredAt;
        bool challenged;
    }

    /// @dev What a gateway signs for the settlement ledger, as in `meters/signing.py`.
    struct ReadingBatch {
        bytes32 device;
        uint64 epoch;
        uint64 firstSeq;
        uint64 count;
        bytes32 previousHash;
        bytes32 head;
    }

    bytes32 public constant VERIFIER_ROLE = keccak256("VERIFIER_ROLE");
    bytes32 public constant THRESHOLD = "threshold";
    bytes32 public constant SUBMISSION_SECONDS = "submission seconds";
    bytes32 public constant CHALLENGE_SECONDS = "challenge seconds";
    uint64 private constant MOST_VERIFIERS = 32;
    bytes32 private constant ANCHOR_TYPE =
        keccak256("Anchor(bytes32 feeder,uint64 hour,bytes32 previous,bytes32 root,uint32 count)");
    bytes32 private constant BATCH_TYPE = keccak256(
        "ReadingBatch(bytes32 device,uint64 epoch,uint64 firstSeq,uint64 count,bytes32 previousHash,bytes32 head)"
    );

    SiteRegistry public immutable registry;
    /// @notice EIP-712 domain separator of the ledger for which gateways sign their readings.
    bytes32 public immutable readingDomain;
    mapping(bytes32 feeder => uint64) public lastHour;
    mapping(bytes32 feeder => mapping(uint64 hour => Head)) private _heads;
    mapping(bytes32 evidence => bool) public used;

    event Anchored(bytes32 indexed feeder, uint64 indexed hour, bytes32 previous, bytes32 root, uint32 count);
    event HoursMissing(bytes32 indexed feeder, uint64 first, uint64 last);
    event Challenged(bytes32 indexed feeder, uint64 indexed hour, address verifier, bytes32 reason);
    event Equivocated(bytes32 indexed site, bytes32 device, uint64 epoch, uint256 nextSeq, address reporter);

    error Gap(uint64 expected, uint64 given);
    error Replayed(uint64 hour);
    error WrongPrevious(bytes32 expected, bytes32 given);
    error NotEnded(uint64 hour);
    error Late(uint256 deadline);
    error EmptyRoot();
    error TooFewSignatures(uint64 needed, uint256 given);
    error NotAVerifier(address signer);
    error SignersNotAscending(address signer);
    error NotAnchored(bytes32 feeder, uint64 hour);
    error ChallengeClosed(uint256 since);
    error AlreadyChallenged(bytes32 feeder, uint64 hour);
    error NotEquivocal();
    error DifferentSigners(address one, address other);
    error UnknownGateway(address gateway);
    error EvidenceUsed();

    constructor(address admin, address[] memory verifiers, uint64 threshold, SiteRegistry sites, bytes32 domain)
        EIP712("Commonwatt", "1")
        Governed(admin)
    {
        for (uint256 i = 0; i < verifiers.length; ++i) {
            _grantRole(VERIFIER_ROLE, verifiers[i]);
        }
        registry = sites;
        readingDomain = domain;
        _define(THRESHOLD, threshold, 1, MOST_VERIFIERS);
        _define(SUBMISSION_SECONDS, 6 hours, 1 hours, 7 days);
        _define(CHALLENGE_SECONDS, 1 days, 1 hours, 30 days);
    }

    /// @notice Anchors the hour that follows the feeder's last one; anybody may send what the verifiers signed.
    /// @param signatures 65 bytes each, in ascending order of the signers' addresses.
    function anchor(Anchor calldata next, bytes[] calldata signatures) external whenNotPaused {
        uint64 last = lastHour[next.feeder];
        if (next.hour <= last) revert Replayed(next.hour);
        if (last != 0 && next.hour != last + 1) revert Gap(last + 1, next.hour);
        bytes32 previous = _heads[next.feeder][last].root;
        if (next.previous != previous) revert WrongPrevious(previous, next.previous);
        if (next.root == 0) revert EmptyRoot();
        uint256 end = (uint256(next.hour) + 1) * 1 hours;
        if (block.timestamp < end) revert NotEnded(next.hour);
        uint256 deadline = end + parameter(SUBMISSION_SECONDS);
        if (block.timestamp > deadline) revert Late(deadline);
        _requireVerifiers(next, signatures);
        _setHead(next.feeder, next.hour, next.root);
        emit Anchored(next.feeder, next.hour, next.previous, next.root, next.count);
    }

    /// @notice Goes on after an outage that made roots late: the hours until `hour` are missing for everybody to see.
    function declareMissing(bytes32 feeder, uint64 hour) external onlyRole(DEFAULT_ADMIN_ROLE) whenNotPaused {
        uint64 last = lastHour[feeder];
        if (last == 0) revert NotAnchored(feeder, hour);
        if (hour <= last) revert Replayed(hour);
        uint256 deadline = (uint256(hour) + 1) * 1 hours + parameter(SUBMISSION_SECONDS);
        if (block.timestamp <= deadline) revert NotEnded(hour);
        _setHead(feeder, hour, _heads[feeder][last].root);
        emit HoursMissing(feeder, last + 1, hour);
    }

    /// @notice A verifier says within the window that a root is wrong; it never becomes final.
    function challenge(bytes32 feeder, uint64 hour, bytes32 reason) external onlyRole(VERIFIER_ROLE) whenNotPaused {
        Head storage head = _heads[feeder][hour];
        if (head.anchoredAt == 0) revert NotAnchored(feeder, hour);
        if (head.challenged) revert AlreadyChallenged(feeder, hour);
        uint256 until = head.anchoredAt + parameter(CHALLENGE_SECONDS);
        if (block.timestamp > until) revert ChallengeClosed(until);
        head.challenged = true;
        emit Challenged(feeder, hour, msg.sender, reason);
    }

    /// @notice Two signed heads for the same last reading that differ: the gateway told two stories, its site pays.
    function reportEquivocation(
        ReadingBatch calldata one,
        bytes calldata oneSignature,
        ReadingBatch calldata other,
        bytes calldata otherSignature
    ) external whenNotPaused {
        uint256 next = uint256(one.firstSeq) + one.count;
        bool sameReading = one.device == other.device && one.epoch == other.epoch
            && uint256(other.firstSeq) + other.count == next;
        if (!sameReading || one.head == other.head) revert NotEquivocal();
        address gateway = _signer(one, oneSignature);
        address second = _signer(other, otherSignature);
        if (gateway != second) revert DifferentSigners(gateway, second);
        bytes32 site = registry.siteOfGateway(gateway);
        if (site == 0) revert UnknownGateway(gateway);
        bytes32 evidence = keccak256(abi.encode(gateway, one.device, one.epoch, next));
        if (used[evidence]) revert EvidenceUsed();
        used[evidence] = true;
        emit Equivocated(site, one.device, one.epoch, next, msg.sender);
        registry.slash(site, msg.sender);
    }

    function rootOf(bytes32 feeder, uint64 hour) external view returns (bytes32) {
        return _heads[feeder][hour].root;
    }

    /// @notice Whether the hour's root was anchored, and nobody challenged it while that was possible.
    function isFinal(bytes32 feeder, uint64 hour) external view returns (bool) {
        Head memory head = _heads[feeder][hour];
        bool closed = block.timestamp > head.anchoredAt + parameter(CHALLENGE_SECONDS);
        return head.anchoredAt != 0 && !head.challenged && closed;
    }

    function _setHead(bytes32 feeder, uint64 hour, bytes32 root) private {
        lastHour[feeder] = hour;
        _heads[feeder][hour] =
            Head({root: root, hour: hour, anchoredAt: uint48(block.timestamp), challenged: false});
    }

    function _requireVerifiers(Anchor calldata next, bytes[] calldata signatures) private view {
        uint64 needed = parameter(THRESHOLD);
        if (signatures.length < needed) revert TooFewSignatures(needed, signatures.length);
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(ANCHOR_TYPE, next.feeder, next.hour, next.previous, next.root, next.count))
        );
        address before = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recoverCalldata(digest, signatures[i]);
            if (signer <= before) revert SignersNotAscending(signer);
            if (!hasRole(VERIFIER_ROLE, signer)) revert NotAVerifier(signer);
            before = signer;
        }
    }

    function _signer(ReadingBatch calldata batch, bytes calldata signature) private view returns (address) {
        bytes32 content = keccak256(
            abi.encode(
                BATCH_TYPE, batch.device, batch.epoch, batch.firstSeq, batch.count, batch.previousHash, batch.head
            )
        );
        return ECDSA.recoverCalldata(MessageHashUtils.toTypedDataHash(readingDomain, content), signature);
    }
}
