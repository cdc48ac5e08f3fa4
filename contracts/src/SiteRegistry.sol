// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Governed} from "./Governed.sol";
import {Parameters} from "./Parameters.sol";

/// @title Grid connections: one token each, bound to its owner, with the key of its gateway and its bond.
/// @notice A site is known by an HMAC of its meter's number under a secret of the registrar, so nobody can find it by
/// trying numbers. Owner and gateway both sign a claim; the registrar sends it. Bonds are nano-units of currency that
/// the treasurer has received; what is slashed is owed to whoever reported, and to the community.
contract SiteRegistry is ERC721, EIP712, Nonces, Parameters {
    struct Claim {
        bytes32 site;
        address owner;
        address gateway;
        uint32 claimedWatt;
        uint8 tier; // 0: a vendor's cloud, 1: a key in the gateway, 2: a key in a secure element
        uint256 nonce; // the owner's
        uint256 deadline; // seconds since the Unix epoch
    }

    struct Site {
        address gateway;
        uint32 claimedWatt;
        uint8 tier;
        uint48 leavesAt; // when the bond may be paid back; 0: the owner stays
        uint128 bond; // nano-units
    }

    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");
    bytes32 public constant TREASURER_ROLE = keccak256("TREASURER_ROLE");
    bytes32 public constant SLASHER_ROLE = keccak256("SLASHER_ROLE");
    bytes32 public constant BOND_PER_KILOWATT = "bond per kilowatt";
    bytes32 public constant SLASHED_PERCENT = "slashed percent";
    bytes32 public constant REPORTER_PERCENT = "reporter percent";
    bytes32 public constant LEAVING_SECONDS = "leaving seconds";
    uint8 public constant LAST_TIER = 2;
    bytes32 private constant CLAIM_TYPE = keccak256(
        "Claim(bytes32 site,address owner,address gateway,uint32 claimedWatt,uint8 tier,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant ROTATION_TYPE =
        keccak256("Rotation(bytes32 site,address gateway,uint256 nonce,uint256 deadline)");
    bytes32 private constant LEAVING_TYPE = keccak256("Leaving(bytes32 site,uint256 nonce,uint256 deadline)");

    mapping(bytes32 site => Site) private _sites;
    /// @notice The site of every key that a gateway ever had; no key serves two sites, or one site twice.
    mapping(address gateway => bytes32) public siteOfGateway;
    mapping(address reporter => uint256) public owedTo;
    uint256 public owedToCommunity;

    event Claimed(bytes32 indexed site, address indexed owner, address gateway, uint32 claimedWatt, uint8 tier);
    event GatewayRotated(bytes32 indexed site, address gateway);
    event BondPosted(bytes32 indexed site, uint128 amount);
    event Slashed(bytes32 indexed site, address indexed reporter, uint256 amount, uint256 reward);
    event RewardPaid(address indexed reporter, uint256 amount);
    event LeavingBegun(bytes32 indexed site, uint48 until);
    event Left(bytes32 indexed site, uint128 bondPaidBack);

    error Soulbound(bytes32 site);
    error Expired(uint256 deadline);
    error WrongOwnerSignature();
    error WrongGatewaySignature();
    error AlreadyClaimed(bytes32 site);
    error UnknownSite(bytes32 site);
    error GatewayAlreadyUsed(address gateway);
    error InvalidTier(uint8 tier);
    error NothingClaimed();
    error AlreadyLeaving(bytes32 site, uint48 until);
    error NotYetLeaving(bytes32 site, uint48 until);
    error NothingOwed(address reporter);

    constructor(address admin, address registrar, address treasurer)
        ERC721("Commonwatt site", "cwSITE")
        EIP712("Commonwatt", "1")
        Governed(admin)
    {
        _grantRole(REGISTRAR_ROLE, registrar);
        _grantRole(TREASURER_ROLE, treasurer);
        _define(BOND_PER_KILOWATT, 10 * 1e9, 0, 1000 * 1e9);
        _define(SLASHED_PERCENT, 50, 1, 100);
        _define(REPORTER_PERCENT, 20, 0, 50);
        _define(LEAVING_SECONDS, 30 days, 1 days, 180 days);
    }

    /// @notice Gives the connection to its owner and gateway.
    function claim(Claim calldata wanted, bytes calldata ownerSignature, bytes calldata gatewaySignature)
        external
        onlyRole(REGISTRAR_ROLE)
        whenNotPaused
    {
        if (block.timestamp > wanted.deadline) revert Expired(wanted.deadline);
        if (wanted.tier > LAST_TIER) revert InvalidTier(wanted.tier);
        if (wanted.claimedWatt == 0) revert NothingClaimed();
        if (_sites[wanted.site].gateway != address(0)) revert AlreadyClaimed(wanted.site);
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(
                    CLAIM_TYPE,
                    wanted.site,
                    wanted.owner,
                    wanted.gateway,
                    wanted.claimedWatt,
                    wanted.tier,
                    wanted.nonce,
                    wanted.deadline
                )
            )
        );
        _requireOwner(wanted.owner, wanted.nonce, digest, ownerSignature);
        _takeGateway(wanted.site, wanted.gateway, digest, gatewaySignature);
        Site storage site = _sites[wanted.site];
        (site.gateway, site.claimedWatt, site.tier) = (wanted.gateway, wanted.claimedWatt, wanted.tier);
        emit Claimed(wanted.site, wanted.owner, wanted.gateway, wanted.claimedWatt, wanted.tier);
        _mint(wanted.owner, uint256(wanted.site));
    }

    /// @notice Gives the site a new gateway key, which signs too; the old one stays spent.
    function rotate(
        bytes32 site,
        address gateway,
        uint256 deadline,
        bytes calldata ownerSignature,
        bytes calldata gatewaySignature
    ) external onlyRole(REGISTRAR_ROLE) whenNotPaused {
        address owner = _ownerOfClaimed(site);
        if (block.timestamp > deadline) revert Expired(deadline);
        uint256 nonce = nonces(owner);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(ROTATION_TYPE, site, gateway, nonce, deadline)));
        _requireOwner(owner, nonce, digest, ownerSignature);
        _takeGateway(site, gateway, digest, gatewaySignature);
        _sites[site].gateway = gateway;
        emit GatewayRotated(site, gateway);
    }

    /// @notice Starts the time after which the owner is gone; until then the bond answers for what was signed.
    function beginLeaving(bytes32 site, uint256 deadline, bytes calldata ownerSignature)
        external
        onlyRole(REGISTRAR_ROLE)
        whenNotPaused
    {
        address owner = _ownerOfClaimed(site);
        if (block.timestamp > deadline) revert Expired(deadline);
        if (_sites[site].leavesAt != 0) revert AlreadyLeaving(site, _sites[site].leavesAt);
        uint256 nonce = nonces(owner);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(LEAVING_TYPE, site, nonce, deadline)));
        _requireOwner(owner, nonce, digest, ownerSignature);
        uint48 until = uint48(block.timestamp) + uint48(parameter(LEAVING_SECONDS));
        _sites[site].leavesAt = until;
        emit LeavingBegun(site, until);
    }

    /// @notice Ends what `beginLeaving` began: the bond is paid back, and the connection may be claimed anew.
    function finishLeaving(bytes32 site) external onlyRole(TREASURER_ROLE) whenNotPaused {
        _ownerOfClaimed(site);
        (uint48 until, uint128 bond) = (_sites[site].leavesAt, _sites[site].bond);
        if (until == 0 || block.timestamp < until) revert NotYetLeaving(site, until);
        delete _sites[site];
        emit Left(site, bond);
        _burn(uint256(site));
    }

    /// @notice Books a bond that the treasurer has received.
    function postBond(bytes32 site, uint128 amount) external onlyRole(TREASURER_ROLE) whenNotPaused {
        _ownerOfClaimed(site);
        _sites[site].bond += amount;
        emit BondPosted(site, amount);
    }

    /// @notice Takes part of the bond for a proved lie; part of that is owed to the reporter.
    function slash(bytes32 site, address reporter) external onlyRole(SLASHER_ROLE) whenNotPaused {
        _ownerOfClaimed(site);
        uint256 hundredfold = uint256(_sites[site].bond) * parameter(SLASHED_PERCENT);
        uint256 amount = hundredfold / 100;
        uint256 reward = (hundredfold * parameter(REPORTER_PERCENT)) / 10_000;
        _sites[site].bond -= uint128(amount);
        owedTo[reporter] += reward;
        owedToCommunity += amount - reward;
        emit Slashed(site, reporter, amount, reward);
    }

    /// @notice Says that the treasurer has paid a reporter what was owed.
    function payReward(address reporter) external onlyRole(TREASURER_ROLE) whenNotPaused {
        uint256 amount = owedTo[reporter];
        if (amount == 0) revert NothingOwed(reporter);
        owedTo[reporter] = 0;
        emit RewardPaid(reporter, amount);
    }

    function siteOf(bytes32 site) external view returns (Site memory) {
        return _sites[site];
    }

    /// @notice Whether the bond covers the power that the owner claims to have, and the owner stays.
    function isBonded(bytes32 site) external view returns (bool) {
        Site memory known = _sites[site];
        bool covered = uint256(known.bond) * 1000 >= uint256(known.claimedWatt) * parameter(BOND_PER_KILOWATT);
        return known.gateway != address(0) && known.leavesAt == 0 && covered;
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC721, AccessControlDefaultAdminRules)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }

    /// @dev Tokens come and go, and never change hands.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from != address(0) && to != address(0)) revert Soulbound(bytes32(tokenId));
    }

    function _ownerOfClaimed(bytes32 site) private view returns (address owner) {
        owner = _ownerOf(uint256(site));
        if (owner == address(0)) revert UnknownSite(site);
    }

    function _requireOwner(address owner, uint256 nonce, bytes32 digest, bytes calldata signature) private {
        _useCheckedNonce(owner, nonce);
        if (!SignatureChecker.isValidSignatureNow(owner, digest, signature)) revert WrongOwnerSignature();
    }

    function _takeGateway(bytes32 site, address gateway, bytes32 digest, bytes calldata signature) private {
        if (siteOfGateway[gateway] != 0) revert GatewayAlreadyUsed(gateway);
        if (!SignatureChecker.isValidSignatureNow(gateway, digest, signature)) revert WrongGatewaySignature();
        siteOfGateway[gateway] = site;
    }
}
